//! Why packets could not be walked through the programs.
use crate::apply::bpf::DatapathError;
use crate::policy::verdict::VerdictError;
use std::io;

/// Errors of the test runs. None of them says anything about a verdict.
#[derive(Debug, thiserror::Error)]
pub enum TestRunError {
    /// BPF_PROG_TEST_RUN, maps and namespaces need CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_BPF.
    #[error(
        "running the real eBPF programs needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_BPF); run this as root, or ask \
         --engine model, which needs nothing"
    )]
    NotRoot,
    /// The thread did not get a network namespace of its own.
    #[error("cannot make a private network namespace: {source}")]
    Namespace {
        /// Why.
        source: io::Error,
    },
    /// The devices that stand for pods' veths could not be made there.
    #[error("cannot make device {device} in the private network namespace: {message}")]
    Device {
        /// Its name.
        device: String,
        /// Why.
        message: String,
    },
    /// The object, a program or a table.
    #[error("node {node}: {source}")]
    Datapath {
        /// Whose.
        node: String,
        /// Why.
        source: DatapathError,
    },
    /// The kernel would not run a program on a packet.
    #[error("node {node}: cannot run {hook} on a packet of {length} bytes: {source}")]
    Run {
        /// Whose hook.
        node: String,
        /// The program.
        hook: &'static str,
        /// Of the frame.
        length: usize,
        /// Why.
        source: Box<aya::programs::ProgramError>,
    },
    /// A program did what none may: changed a packet, or gave a verdict other than pass and drop.
    #[error("node {node}: {hook} misbehaved: {what}")]
    Misbehaved {
        /// Whose hook.
        node: String,
        /// The program.
        hook: &'static str,
        /// What it did.
        what: String,
    },
    /// No such node in the snapshot.
    #[error("there is no node {0}")]
    NoNode(String),
    /// No such pod on a node.
    #[error("there is no pod {0} with addresses of its own on a node")]
    NoPod(crate::model::ObjectName),
    /// The model, asked for the policies that decided.
    #[error(transparent)]
    Model(#[from] VerdictError),
}
