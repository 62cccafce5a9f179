//! The `model` engine: answers questions by looking up the tables of the nodes involved, as the programs there would
//! and in the order in which a packet meets them.

mod directory;
mod engine;
mod judge;
mod legs;
#[cfg(test)]
mod tests;

pub use engine::Engine;

use crate::model::ObjectName;

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
    /// A connection cannot come from a Service.
    #[error("{0} is a Service: nothing comes from there")]
    FromService(ObjectName),
}
