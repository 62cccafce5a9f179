//! Packets walked through the real eBPF programs by BPF_PROG_TEST_RUN, over all nodes that they cross and in the order
//! in which they would meet the hooks.
//!
//! Real are the programs, their tables (compiled from a snapshot for each node) and the kernel that runs them. What lies
//! between the hooks is done here as the kernel, kube-proxy, portmap, WireGuard and our own nftables chain do it: header
//! checks and hop limits, destination translation, routing, source translation, AllowedIPs, connection tracking. The
//! mark and the device that a packet came in by go from hook to hook of one node, and end with it.
//!
//! | module | concern |
//! |---|---|
//! | `netns` | a network namespace with the devices that test runs want |
//! | `hooks` | programs and tables of one node; running one program on one packet |
//! | `planted` | the shipped programs, or such as make a mistake that a test plants |
//! | `node` | addresses, routes, which source packets leave with |
//! | `services`, `conntrack` | what kube-proxy and portmap translate, and what is remembered of it |
//! | `cluster` | the nodes of a snapshot |
//! | `walk`, `crossing`, `journey` | the way of a packet, and its record |
//! | `wire`, `craft` | packets as bytes |
//! | `engine` | the engine `kernel`: queries answered by packets |
//!
//! Not simulated: fragments are not put together on the way (so they are not translated), path MTU, ARP and neighbour
//! discovery beyond the hook, and time.

mod cluster;
mod conntrack;
mod craft;
mod crossing;
mod engine;
mod error;
mod hooks;
mod journey;
mod netns;
mod node;
mod planted;
mod services;
mod walk;
mod wire;

pub use cluster::{Cluster, ifindexes, sizes};
pub use engine::Engine;
pub use error::TestRunError;
pub use journey::{End, Entry, Journey, Loss, Step};
pub use netns::in_private_namespace;
pub use node::WIREGUARD_PORTS;
pub use walk::{Chances, Frame};

use crate::desired::Snapshot;
use crate::policy::Compiler;
use crate::policy::offline::cluster_cidrs;
use crate::watch::queries::{Answer, Resolved};

/// Answers questions about a cluster, in order. Its pod CIDRs as a whole are taken to be [`cluster_cidrs`].
///
/// # Errors
/// [`TestRunError`], without any answer.
pub fn answers(snapshot: Snapshot, questions: &[Resolved]) -> Result<Vec<Answer>, TestRunError> {
    in_private_namespace(ifindexes(&snapshot), || {
        let sizes = sizes(&snapshot);
        let cidrs = cluster_cidrs(&snapshot);
        let cluster = Cluster::new(snapshot, sizes, Compiler::default).with_cluster_cidrs(cidrs);
        let mut engine = Engine::new(cluster, questions);
        let answers = questions.iter().map(|q| engine.answer(q)).collect::<Result<_, _>>()?;
        engine.settle()?;
        Ok(answers)
    })
}
