//! A snapshot as running nodes: each loaded and compiled when a packet first meets it.
use super::TestRunError;
use super::hooks::Hooks;
use super::node::Node;
use super::planted::Planted;
use super::services::Services;
use crate::apply::bpf::{DatapathError, Sizes};
use crate::desired::Snapshot;
use crate::model::ObjectName;
use crate::policy::Compiler;
use crate::policy::offline::FIRST_IFINDEX;
use ipnetwork::IpNetwork;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

/// Nodes with the real programs, and the network between them. To be used on a thread of
/// [`super::in_private_namespace`].
pub struct Cluster<'a> {
    pub(super) snapshot: Snapshot,
    pub(super) services: Services,
    pub(super) nodes: BTreeMap<String, Node>,
    cluster_cidrs: Vec<IpNetwork>,
    compiler: Box<dyn Fn() -> Compiler + 'a>,
    sizes: Sizes,
    planted: Planted,
    spare: Vec<Hooks>,
}

/// The ifindexes that the pods of a node have, for whichever node of the snapshot has most.
pub fn ifindexes(snapshot: &Snapshot) -> Range<u32> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for pod in snapshot.pods.values().filter(|pod| !pod.host_network) {
        *counts.entry(pod.node.as_deref().unwrap_or_default()).or_default() += 1;
    }
    FIRST_IFINDEX..FIRST_IFINDEX + counts.into_values().max().unwrap_or(0)
}

/// Tables that are large enough for every node of a snapshot: work of a moment, and memory that is not preallocated.
pub fn sizes(snapshot: &Snapshot) -> Sizes {
    let ports: usize = snapshot.services.values().map(|s| s.ports.len().max(1)).sum();
    let addresses = snapshot.services.values().map(|s| s.cluster_ips.len() + s.external_ips.len() + 1).max();
    let services = ports * (addresses.unwrap_or(0) + 2 * snapshot.nodes.len());
    let objects = snapshot.pods.len() + snapshot.nodes.len() + snapshot.policies.len() + services;
    let mut sizes = Sizes::initial(u32::try_from(objects * 8).unwrap_or(u32::MAX).max(65_536), 65_536);
    sizes.set(ringfence_abi::names::PORTS, 4096);
    sizes
}

impl<'a> Cluster<'a> {
    /// Nodes with tables of these sizes, compiled by what `compiler` makes.
    pub fn new(snapshot: Snapshot, sizes: Sizes, compiler: impl Fn() -> Compiler + 'a) -> Self {
        let services = Services::new(&snapshot);
        let (nodes, spare) = (BTreeMap::new(), Vec::new());
        let (cluster_cidrs, planted) = (Vec::new(), Planted::default());
        Self { snapshot, services, nodes, cluster_cidrs, compiler: Box::new(compiler), sizes, planted, spare }
    }

    /// The same with these pod CIDRs of the whole cluster, beside those of its nodes; to be said before packets are sent.
    #[must_use]
    pub fn with_cluster_cidrs(self, cluster_cidrs: Vec<IpNetwork>) -> Self {
        Self { cluster_cidrs, ..self }
    }

    /// Pod CIDRs of the whole cluster.
    pub fn cluster_cidrs(&self) -> &[IpNetwork] {
        &self.cluster_cidrs
    }

    /// The same, with programs that can be mistaken, and make this mistake if it is one.
    #[cfg(feature = "seeded-mistakes")]
    pub fn mistaken(self, mistake: Option<ringfence_abi::mistake::Mistake>) -> Self {
        Self { planted: Planted::mistake(mistake), ..self }
    }

    /// Another snapshot of the same cluster: compiled by the same compilers, with everything remembered.
    ///
    /// # Errors
    /// [`TestRunError::Datapath`], [`TestRunError::NoNode`].
    pub fn change(&mut self, snapshot: Snapshot) -> Result<(), TestRunError> {
        self.services = Services::new(&snapshot);
        self.snapshot = snapshot;
        self.nodes.values_mut().try_for_each(|node| node.hold(&self.snapshot, &self.cluster_cidrs))
    }

    /// Another cluster in the place of this one: only the loaded programs are kept, for that takes long.
    ///
    /// # Errors
    /// [`TestRunError::Datapath`].
    pub fn begin(&mut self, snapshot: Snapshot) -> Result<(), TestRunError> {
        for (name, mut node) in std::mem::take(&mut self.nodes) {
            node.hooks.forget().map_err(|source| TestRunError::Datapath { node: name, source })?;
            self.spare.push(node.hooks);
        }
        self.change(snapshot)
    }

    /// Has every node that was met forget its flows.
    ///
    /// # Errors
    /// [`TestRunError::Datapath`].
    pub fn forget_flows(&mut self) -> Result<(), TestRunError> {
        let forget = |(name, node): (&String, &mut Node)| {
            let failed = |source: DatapathError| TestRunError::Datapath { node: name.clone(), source };
            node.hooks.forget_flows().map_err(failed)
        };
        self.nodes.iter_mut().try_for_each(forget)
    }

    /// Checks that no program counted a drop that was none.
    ///
    /// # Errors
    /// [`TestRunError::Misbehaved`].
    pub fn settle(&mut self) -> Result<(), TestRunError> {
        for (name, node) in &mut self.nodes {
            let reasons = node.hooks.newly_counted(name)?;
            if !reasons.is_empty() {
                let what = format!("packets passed and were counted as dropped: {reasons:?}");
                return Err(TestRunError::Misbehaved { node: name.clone(), hook: "one of its hooks", what });
            }
        }
        Ok(())
    }

    /// The snapshot.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Makes sure that a node is there.
    pub(super) fn ready(&mut self, name: &str) -> Result<(), TestRunError> {
        if self.nodes.contains_key(name) {
            return Ok(());
        }
        let failed = |source| TestRunError::Datapath { node: name.to_owned(), source };
        let hooks = match self.spare.pop() {
            Some(hooks) => hooks,
            None => Hooks::load(&self.sizes, self.planted).map_err(failed)?,
        };
        let node = Node::new(name, (&self.snapshot, &self.cluster_cidrs), (self.compiler)(), hooks)?;
        self.nodes.insert(name.to_owned(), node);
        Ok(())
    }

    /// The node that a pod with addresses of its own is on.
    pub(super) fn node_of(&self, pod: &ObjectName) -> Result<String, TestRunError> {
        let found = self.snapshot.pods.get(pod).filter(|pod| !pod.host_network && !pod.addresses.is_empty());
        found.and_then(|pod| pod.node.clone()).ok_or_else(|| TestRunError::NoPod(pod.clone()))
    }

    /// Whether WireGuard at a receiver takes a source for one of `sender`'s: its AllowedIPs.
    pub(super) fn allowed_ips(&self, sender: &str, source: IpAddr) -> bool {
        let node = self.snapshot.nodes.get(sender);
        node.is_some_and(|n| n.addresses.contains(&source) || super::node::holds(&n.pod_cidrs, source))
    }
}
