//! The pods attached to this node: which sandbox has which veth, addresses and number. Kept on disk, one file per
//! attachment, because CNI says it once and the agent may be killed at any instant.

mod record;
mod registry;
#[cfg(test)]
mod tests;

pub use record::Record;
pub use registry::{Registry, RegistryError};
