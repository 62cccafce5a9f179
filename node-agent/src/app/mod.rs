//! The agent: constructs everything, runs one task per concern, and stops in order.
//!
//! | task | does |
//! |---|---|
//! | `source` | follows the source of objects |
//! | `archive` | keeps on disk what is known, for a reboot while the API server is away |
//! | `index` | owns the desired state: takes updates in, gives snapshots out |
//! | `kernel` | listens to what others change in the kernel |
//! | `control` | answers CNI plugin and command line |
//! | `words` | talks to other agents over the mesh: probes, and words about planes |
//! | `reconcile` | owns all state of the kernel, and this node's part in the rotation of keys: compiles, plans, applies |

mod answer;
mod archive;
mod board;
mod calls;
mod carry;
mod caution;
mod clock;
mod cni_conf;
mod config;
mod desk;
mod enforce;
mod error;
pub mod guard;
mod hooks;
mod index;
mod kernel;
mod memory;
mod mesh;
mod mesh_status;
mod mortality;
mod pace;
mod reconcile;
mod report;
mod rotation;
mod run;
mod stamp;
mod tell;
#[cfg(test)]
mod tests;
mod traits;
mod troubles;

pub use clock::rfc3339;
pub use config::{Config, ObjectSource};
pub use error::AppError;
pub use rotation::AUDIT_LOG;
pub use run::run;
