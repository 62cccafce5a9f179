//! A whole cluster on one machine, out of network namespaces: the demo, the developers' tool and the test bed.
//!
//! Nothing of a lab is in the host's network namespace. One *machine* (a process that is PID 1 of its own PID, mount
//! and network namespaces) holds the underlay's bridge, one is the world outside, one is each node. Killing a
//! machine's first process ends everything that ran on it, so a lab is gone without trace after `down`, also after a
//! crash.
//!
//! What the API server would hold is a directory ([`Lab::source`]) that every agent of the lab reads and publishes in.

mod error;
pub mod init;
pub mod machine;
mod namespaces;
pub mod outside;
mod probe;
pub mod process;
mod raw;
pub mod respond;
pub mod sctp;
pub mod state;
mod underlay;

pub use error::LabError;
pub use state::Lab;
