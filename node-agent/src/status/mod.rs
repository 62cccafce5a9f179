//! What `ringfence status` shows: one report, gathered by the agent, printed by the command line.

mod report;
mod rotation;
mod table;
#[cfg(test)]
mod tests;

pub use report::{
    BackendStatus, EndpointStatus, Enforcement, MeshStatus, PeerStatus, PlaneStatus, RetryStatus,
    StatusReport, TableStatus,
};
pub use rotation::{RefusedOfStatus, RefusedStatus, RotationStatus, WaitingStatus};
pub(crate) use table::columns;
pub use table::render;
