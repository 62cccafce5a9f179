//! Nodes with a mesh and pods, without agents: the real executor on the real compiler's output, one thread a node.

pub mod cases;
mod node;
mod pod;
mod worker;

pub use node::MeshNode;
pub use pod::TestPod;
pub use worker::{Attached, Watching, Worker};

use crate::netns::{Netns, Underlay, eventually};
use anyhow::{Context, Result, ensure};
use ringfence::apply::mesh::{BackendChoice, Report};
use ringfence::desired::Snapshot;
use ringfence::mesh::{Memory, MeshConfig, MeshSpec};
use ringfence_keyring::Epoch;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Nodes `n1`, `n2`... on one underlay, each with a pod `p`.
pub struct MeshLab {
    /// The nodes.
    pub nodes: Vec<MeshNode>,
    /// Everything the API server would say.
    pub snapshot: Snapshot,
    /// Of the mesh.
    pub epoch: Epoch,
    /// Settings of all nodes.
    pub config: MeshConfig,
    /// The network between the nodes.
    pub underlay: Underlay,
}

impl MeshLab {
    /// Makes `count` nodes, with keys and pods, but no mesh yet.
    ///
    /// # Errors
    /// Without root, or one of the tools.
    pub fn new(label: &str, count: u8, backend: BackendChoice) -> Result<Self> {
        let underlay = Underlay::new(label)?;
        let epoch = Epoch::ZERO;
        let cidrs = ["10.244.0.0/16", "fd00:10:244::/48"];
        let cluster_cidrs: Result<BTreeSet<_>, _> = cidrs.into_iter().map(str::parse).collect();
        let config = MeshConfig { cluster_cidrs: cluster_cidrs?, ..MeshConfig::default() };
        let mut lab = Self { nodes: Vec::new(), snapshot: Snapshot::default(), epoch, config, underlay };
        for number in 1..=count {
            let node = MeshNode::new(label, number, &lab.underlay, backend, epoch)?;
            lab.enroll(&node)?;
            lab.nodes.push(node);
        }
        Ok(lab)
    }

    /// Puts a node's objects into the snapshot.
    fn enroll(&mut self, node: &MeshNode) -> Result<()> {
        let publication = node.publication(self.epoch)?;
        Arc::make_mut(&mut self.snapshot.nodes).insert(node.name.clone(), Arc::new(node.object.clone()));
        Arc::make_mut(&mut self.snapshot.publications).insert(node.name.clone(), Arc::new(publication));
        let (name, pod) = node.pod_object();
        Arc::make_mut(&mut self.snapshot.pods).insert(name, Arc::new(pod));
        Ok(())
    }

    /// What the mesh of node `number` (from 1) shall be.
    ///
    /// # Errors
    /// Those of the compiler.
    pub fn spec(&self, number: usize) -> Result<MeshSpec> {
        self.node(number)?.compile(&self.snapshot, self.epoch, &self.config, &Memory::default())
    }

    /// Node `number`, from 1.
    ///
    /// # Errors
    /// If there is none.
    pub fn node(&self, number: usize) -> Result<&MeshNode> {
        self.nodes.get(number.wrapping_sub(1)).with_context(|| format!("there is no node {number}"))
    }

    /// Converges one node; nothing may fail.
    ///
    /// # Errors
    /// If something failed.
    pub fn converge(&self, number: usize) -> Result<Report> {
        let report = self.node(number)?.converge(self.spec(number)?)?;
        ensure!(report.failed.is_empty(), "n{number}: {:?}", report.failed);
        Ok(report)
    }

    /// Converges every node and waits until every pod reaches every other.
    ///
    /// # Errors
    /// If something failed, or they do not within 15 s.
    pub fn up(&self) -> Result<()> {
        for number in 1..=self.nodes.len() {
            self.converge(number)?;
        }
        for from in &self.nodes {
            for to in self.nodes.iter().filter(|to| to.name != from.name) {
                for address in [&to.pod.v4, &to.pod.v6] {
                    let what = format!("{} reaches {} at {address}", from.name, to.name);
                    eventually(&what, Duration::from_secs(15), || from.pod.netns.pings(address, None, 1))?;
                }
            }
        }
        // The idle planes' keepalives begin on both sides once there are handshakes.
        let settled =
            || (1..=self.nodes.len()).all(|n| self.converge(n).is_ok_and(|did| did.done.is_empty()));
        eventually("nothing is left to be done", Duration::from_secs(15), settled)?;
        Ok(())
    }

    /// Makes a lab and brings it up.
    ///
    /// # Errors
    /// As [`MeshLab::new`] and [`MeshLab::up`].
    pub fn ready(label: &str, backend: BackendChoice) -> Result<Self> {
        let lab = Self::new(label, 3, backend)?;
        println!("{}", lab.enter_hints());
        lab.up()?;
        Ok(lab)
    }

    /// All of them: nodes, pods, underlay.
    #[must_use]
    pub fn namespaces(&self) -> Vec<&Netns> {
        let nodes = self.nodes.iter().flat_map(|node| [&node.netns, &node.pod.netns]);
        nodes.chain([&*self.underlay]).collect()
    }

    /// How a person gets in.
    #[must_use]
    pub fn enter_hints(&self) -> String {
        let pods = self.nodes.iter().map(|node| node.pod.netns.enter_hint());
        let nodes = self.nodes.iter().map(|node| node.netns.enter_hint());
        std::iter::once(self.underlay.enter_hint()).chain(nodes).chain(pods).collect::<Vec<_>>().join("\n")
    }
}
