//! The `model` engine: answers questions by looking up the tables of the nodes involved, as the programs there would
//! and in the order in which a packet meets them.

mod engine;
mod judge;
mod legs;

pub use engine::Engine;

use crate::model::{ObjectName, Protocol};
use std::net::IpAddr;

/// Why a question has no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum VerdictError {
    /// A pod that the snapshot does not have.
    #[error("there is no pod {0} that runs")]
    NoPod(ObjectName),
    /// A pod that no node has.
    #[error("pod {0} is on no node")]
    Unscheduled(ObjectName),
    /// A node that the snapshot does not have.
    #[error("there is no node {0}")]
    NoNode(String),
    /// A Service that the snapshot does not have, or that has no address.
    #[error("there is no Service {0} with an address")]
    NoService(ObjectName),
    /// A port that the Service does not have.
    #[error("Service {0} has no port {1}/{2}")]
    NoPort(ObjectName, u16, Protocol),
    /// Ends of different families.
    #[error("{0} and {1} are of different families")]
    Families(IpAddr, IpAddr),
    /// A connection cannot come from a Service.
    #[error("{0} is a Service: nothing comes from there")]
    FromService(ObjectName),
}
