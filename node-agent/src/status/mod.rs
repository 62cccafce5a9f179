//! What `ringfence status` shows: one report, gathered by the agent, printed by the command line.

mod report;
mod table;
#[cfg(test)]
mod tests;

pub use report::{
    BackendStatus, EndpointStatus, Enforcement, MeshStatus, PeerStatus, PlaneStatus, RefusedOfStatus,
    RefusedStatus, RetryStatus, RotationStatus, StatusReport, TableStatus, WaitingStatus,
};
pub(crate) use table::columns;
pub use table::render;
