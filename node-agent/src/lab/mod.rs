//! A whole cluster on one machine, out of network namespaces: the demo, the developers' tool and the test bed.
//!
//! Nothing of a lab is in the host's network namespace. One *machine* (a process that is PID 1 of its own PID, mount
//! and network namespaces) holds the underlay's bridge, one is the world outside, one is each node. Killing a
//! machine's first process ends everything that ran on it, so a lab is gone without trace after `down`, also after a
//! crash.
//!
//! What the API server would hold is a directory ([`Lab::source`]) that every agent of the lab reads and publishes in.

mod agents;
mod change;
mod cluster;
pub mod engine;
mod error;
mod exec;
pub mod init;
pub mod machine;
mod names;
mod namespaces;
mod outside;
mod parallel;
mod patience;
mod pods;
pub mod probe;
pub mod process;
mod raw;
pub mod respond;
mod runtime;
pub mod sctp;
pub mod services;
pub mod state;
pub mod status;
pub mod stream;
mod underlay;
mod up;
mod wires;

pub use change::Changed;
pub use cluster::read;
pub use error::LabError;
pub use patience::{VARIABLE as PATIENCE_VARIABLE, factor as patience_factor, patience};
pub use state::Lab;
pub use up::{UpOptions, down, up};
pub use wires::{OUTSIDE, UNDERLAY};
