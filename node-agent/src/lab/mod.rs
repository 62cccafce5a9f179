//! A whole cluster on one machine, out of network namespaces: the demo, the developers' tool and the test bed.
//!
//! Nothing of a lab is in the host's network namespace. One *machine* (a process that is PID 1 of its own PID, mount
//! and network namespaces) holds the underlay's bridge, one is the world outside, one is each node. Killing a
//! machine's first process ends everything that ran on it, so a lab is gone without trace after `down`, also after a
//! crash.

pub mod machine;
pub mod state;

use std::path::PathBuf;

/// What can go wrong with a lab.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A file or directory of the lab.
    #[error("lab: cannot {operation} {path}: {source}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A program that should have run.
    #[error("lab: {command} on {machine} failed ({status}): {output}")]
    Command {
        /// The machine it ran on.
        machine: String,
        /// The command line.
        command: String,
        /// Its exit status, or why it did not start.
        status: String,
        /// What it wrote to standard error.
        output: String,
    },
    /// The lab's own record is damaged.
    #[error("lab: {path} cannot be understood: {source}; remove the lab with `ringfence lab down`")]
    State {
        /// The record.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// There is no such lab, node or pod.
    #[error("lab: there is no {kind} {name}; {remedy}")]
    Unknown {
        /// `lab`, `node`, `pod`.
        kind: &'static str,
        /// Which.
        name: String,
        /// What to do.
        remedy: String,
    },
    /// A lab of that name is up.
    #[error("lab: {name} is already up; `ringfence lab down --name {name}` removes it")]
    Exists {
        /// Its name.
        name: String,
    },
    /// Something did not come about in time.
    #[error("lab: waited {seconds} s for {what}; see {log}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// Where to look.
        log: PathBuf,
    },
}
