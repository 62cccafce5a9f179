//! Why an agent does not start, or ends.
use crate::apply::bpf::DatapathError;
use crate::apply::mesh::MeshApplyError;
use crate::endpoint::RegistryError;
use crate::task::TaskError;
use crate::watch::kube::AccessError;
use std::io;
use std::path::PathBuf;

/// Errors of the agent as a whole.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A directory of the agent cannot be used.
    #[error("cannot {operation} {}: {source}", path.display())]
    Directory {
        /// What was tried.
        operation: &'static str,
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Two agents would undo each other's work.
    #[error("another agent runs with the run directory {}; stop it, or give this one its own", path.display())]
    AlreadyRuns {
        /// The run directory.
        path: PathBuf,
    },
    /// A netlink socket or signal handler.
    #[error("cannot {operation}: {source}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Maps, programs, pins.
    #[error(transparent)]
    Datapath(#[from] DatapathError),
    /// WireGuard, netlink.
    #[error(transparent)]
    Mesh(#[from] MeshApplyError),
    /// The attached pods on disk.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The API server is not known, or not who we are to it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A task ended.
    #[error(transparent)]
    Task(#[from] TaskError),
}
