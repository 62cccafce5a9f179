//! The agent: constructs everything, runs one task per concern, and stops in order.
//!
//! | task | does |
//! |---|---|
//! | `source` | watches the objects and publishes snapshots |
//! | `kernel` | listens to what others change in the kernel |
//! | `control` | answers CNI plugin and command line |
//! | `reconcile` | owns all state of the kernel: compiles, plans, applies |

mod config;
mod hooks;
mod kernel;

pub use config::Config;
