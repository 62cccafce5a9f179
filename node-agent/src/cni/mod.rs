//! `ringfence cni`: a chained CNI plugin (CNI spec 1.0.0 and 1.1.0). It stands between ptp, which makes the veth, and
//! portmap, so that no hostPort is live before its policy; it decides nothing and asks the agent.

mod commands;
mod config;
pub mod conflist;
mod environment;
mod error;
mod previous;
#[cfg(test)]
mod tests;
mod tombstone;

pub use commands::run;
pub use environment::Environment;
pub use error::CniError;
pub use tombstone::Tombstones;

/// Versions of the spec that are spoken.
pub const VERSIONS: [&str; 2] = ["1.0.0", "1.1.0"];
