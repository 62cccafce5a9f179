//! One node: its programs, its addresses, how it routes, and which source its packets leave with.
use super::TestRunError;
use super::conntrack::{Conntrack, Source};
use super::hooks::Hooks;
use super::services::Client;
use crate::desired::Snapshot;
use crate::model::ObjectName;
use crate::policy::Compiler;
use crate::policy::offline::{FIRST_IFINDEX, local_view};
use crate::policy::tables::LocalView;
use ipnetwork::IpNetwork;
use std::collections::HashMap;
use std::net::IpAddr;

/// UDP ports of the nodes' WireGuard devices.
pub const WIREGUARD_PORTS: [u16; 2] = [51871, 51872];

/// A node of a walk.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) hooks: Hooks,
    pub(super) conntrack: Conntrack,
    compiler: Compiler,
    view: LocalView,
    /// Every pod that ever was here, with its number: as no id is given twice, and no device's index soon.
    numbers: HashMap<ObjectName, u32>,
    /// Attached pods by address, with their ifindexes.
    pods: HashMap<IpAddr, (ObjectName, u32)>,
    /// The Node object's addresses.
    addresses: Vec<IpAddr>,
    pub(super) pod_cidrs: Vec<IpNetwork>,
}

/// Which way a packet leaves a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Out {
    /// It does not: it is for the node.
    Here,
    /// To this pod, by the veth of this index.
    Pod(ObjectName, u32),
    /// Over the mesh to this node.
    Mesh(String),
    /// By any other device; to this node if it has the address, else to the world outside.
    Underlay(Option<String>),
    /// Nowhere.
    Blackhole,
}

impl Node {
    /// Compiles the snapshot and fills the tables.
    pub(super) fn new(
        name: &str,
        (snapshot, cluster_cidrs): (&Snapshot, &[IpNetwork]),
        compiler: Compiler,
        hooks: Hooks,
    ) -> Result<Self, TestRunError> {
        let mut node = Self {
            name: name.to_owned(),
            hooks,
            conntrack: Conntrack::default(),
            compiler,
            view: LocalView::default(),
            numbers: HashMap::new(),
            pods: HashMap::new(),
            addresses: Vec::new(),
            pod_cidrs: Vec::new(),
        };
        node.hold(snapshot, cluster_cidrs)?;
        Ok(node)
    }

    /// Takes another snapshot; what programs and connection tracking remember stays.
    pub(super) fn hold(
        &mut self,
        snapshot: &Snapshot,
        cluster_cidrs: &[IpNetwork],
    ) -> Result<(), TestRunError> {
        let object = snapshot.nodes.get(&self.name).ok_or_else(|| TestRunError::NoNode(self.name.clone()))?;
        self.addresses = object.addresses.clone();
        self.pod_cidrs = object.pod_cidrs.clone();
        self.view = local_view(snapshot, &self.name, cluster_cidrs);
        self.pods.clear();
        for endpoint in &mut self.view.endpoints {
            let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
            let number = *self.numbers.entry(endpoint.pod.clone()).or_insert(next);
            (endpoint.id, endpoint.ifindex) =
                (number.saturating_add(1), FIRST_IFINDEX.saturating_add(number));
            let entry = (endpoint.pod.clone(), endpoint.ifindex);
            self.pods.extend(endpoint.addresses.iter().map(|a| (*a, entry.clone())));
        }
        let tables = self.compiler.compile(snapshot, &self.view).tables;
        let failed = |source| TestRunError::Datapath { node: self.name.clone(), source };
        self.hooks.hold(&tables, WIREGUARD_PORTS).map_err(failed)
    }

    /// Index of a pod's veth.
    pub(super) fn ifindex(&self, pod: &ObjectName) -> Option<u32> {
        self.view.endpoints.iter().find(|e| e.pod == *pod).map(|e| e.ifindex)
    }

    /// Whether an address is one of the node's own, gateways of its pod CIDRs among them.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.view.addresses.contains(&address)
    }

    /// Its first address of a family.
    pub(super) fn address(&self, v4: bool) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|a| a.is_ipv4() == v4)
    }

    /// The gateway of its first pod CIDR of a family.
    pub(super) fn gateway(&self, v4: bool) -> Option<IpAddr> {
        self.pod_cidrs.iter().find(|c| c.is_ipv4() == v4).and_then(crate::policy::gateway)
    }

    /// Where a packet between these addresses goes.
    pub(super) fn route(&self, src: IpAddr, dst: IpAddr, off_mesh: bool, snapshot: &Snapshot) -> Out {
        if self.has(dst) {
            return Out::Here;
        }
        if let Some((pod, ifindex)) = self.pods.get(&dst) {
            return Out::Pod(pod.clone(), *ifindex);
        }
        if holds(&self.pod_cidrs, dst) {
            return Out::Blackhole;
        }
        let others = || snapshot.nodes.values().filter(|node| node.name != self.name);
        if let Some(owner) = others().find(|node| holds(&node.pod_cidrs, dst)) {
            return Out::Mesh(owner.name.clone());
        }
        let owner = others().find(|node| node.addresses.contains(&dst)).map(|node| node.name.clone());
        match owner {
            // The rules on local pods' sources, and on what comes off the mesh.
            Some(owner) if off_mesh || holds(&self.pod_cidrs, src) => Out::Mesh(owner),
            None if holds(&self.view.cluster_pod_cidrs, dst) => Out::Blackhole,
            owner => Out::Underlay(owner),
        }
    }

    /// How the rules of Services see a source.
    pub(super) fn client(&self, address: IpAddr, snapshot: &Snapshot) -> Client {
        Client {
            address,
            local_pod: !self.has(address) && holds(&self.pod_cidrs, address),
            node: self.has(address),
            cluster_pod: snapshot.nodes.values().any(|node| holds(&node.pod_cidrs, address)),
        }
    }

    /// Which source a new connection leaves with: our chain before kube-proxy's (`apply/nat_script.rs`), then that.
    pub(super) fn source(&self, client: Client, dst: IpAddr, out: &Out, masquerade: bool) -> Source {
        let v4 = dst.is_ipv4();
        let become_or_keep = |address: Option<IpAddr>| address.map_or(Source::Keep, Source::Become);
        if let Out::Mesh(_) = out {
            return match client {
                Client { node: true, .. } => become_or_keep(self.address(v4)),
                Client { local_pod: true, .. } => Source::Keep,
                _ => become_or_keep(self.gateway(v4)),
            };
        }
        let hairpin = client.address == dst;
        if let (Out::Pod(..), true, false) = (out, client.cluster_pod, hairpin) {
            return Source::Keep;
        }
        match out {
            Out::Underlay(_) if client.local_pod || masquerade => become_or_keep(self.address(v4)),
            Out::Pod(..) if masquerade => become_or_keep(self.gateway(v4)),
            _ => Source::Keep,
        }
    }
}

/// Whether one of the networks holds the address.
pub(super) fn holds(networks: &[IpNetwork], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}
