//! Which addresses are nodes', and which pod CIDRs are whose.
use super::backends::Backend;
use super::effort;
use super::ranges::{gateway, normal};
use super::spans::Spans;
use super::tables::LocalView;
use crate::model::{Node, ObjectName, Problem};
use ipnetwork::IpNetwork;
use ringfence_abi::{Addr, AddressKind};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// Who a node is to the tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NodeAddress {
    pub(super) kind: AddressKind,
    pub(super) owner: u32,
}

/// What the Node objects and this node's own addresses say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct NodeIndex {
    /// Nodes' addresses and the gateways of their pod CIDRs.
    pub(super) addresses: HashMap<Addr, NodeAddress>,
    /// Pod CIDRs with their kinds: the cluster's and all that anyone claims first, then the others', this node's last.
    pub(super) ranges: Vec<(IpNetwork, AddressKind)>,
    /// The pod CIDRs that count, by node.
    pub(super) by_node: HashMap<String, Vec<IpNetwork>>,
    /// The same, by address.
    spans: Spans,
    pub(super) problems: Vec<Problem>,
}

/// Numbers of nodes, and in which order they became known. A number stays with its name.
#[derive(Debug, Default)]
pub(super) struct NodeNumbers {
    numbers: HashMap<String, u32>,
    arrivals: HashMap<String, u64>,
    next_arrival: u64,
}

impl NodeNumbers {
    /// From 1; 0 for a name never seen in a snapshot.
    pub(super) fn of(&self, name: &str) -> u32 {
        self.numbers.get(name).copied().unwrap_or(0)
    }

    /// Nodes in the order in which they became known; of those that came together the older object first.
    fn arrange<'a>(&mut self, nodes: &'a BTreeMap<String, Arc<Node>>) -> Vec<&'a Node> {
        self.arrivals.retain(|name, _| nodes.contains_key(name));
        let mut new: Vec<&Node> =
            nodes.values().filter(|n| !self.arrivals.contains_key(&n.name)).map(|n| &**n).collect();
        new.sort_by(|a, b| {
            (a.created.is_empty(), &a.created, &a.name).cmp(&(b.created.is_empty(), &b.created, &b.name))
        });
        for node in new {
            self.arrivals.insert(node.name.clone(), self.next_arrival);
            self.next_arrival += 1;
            let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX - 1) + 1;
            self.numbers.entry(node.name.clone()).or_insert(next);
        }
        let mut all: Vec<&Node> = nodes.values().map(|n| &**n).collect();
        all.sort_by_key(|n| self.arrivals.get(&n.name).copied());
        all
    }
}

impl NodeIndex {
    /// Of nodes that claim overlapping pod CIDRs this one, else the one known first, keeps its.
    pub(super) fn new(
        nodes: &BTreeMap<String, Arc<Node>>,
        local: &LocalView,
        numbers: &mut NodeNumbers,
    ) -> Self {
        let mut index = Self::default();
        let mut nodes = numbers.arrange(nodes);
        let rank = |n: &&Node| (n.name != local.node, local.refused_nodes.contains(&n.name));
        nodes.sort_by_key(rank);
        effort::spend(nodes.len());
        for node in nodes.iter().filter(|n| !local.refused_nodes.contains(&n.name)) {
            index.take_cidrs(node);
        }
        // What lies in a refused node's range is a pod that nobody can vouch for, but a pod.
        let refused = nodes.iter().flat_map(|n| &n.pod_cidrs);
        let unknown = local.cluster_pod_cidrs.iter().chain(refused);
        let mut ranges: Vec<_> = unknown.map(|c| (normal(*c), AddressKind::RemotePodRange)).collect();
        let by_kind = |here: bool, kind: AddressKind| {
            let of_kind = nodes.iter().filter(move |n| (n.name == local.node) == here);
            let cidrs = of_kind.filter_map(|n| index.by_node.get(&n.name)).flatten();
            cidrs.map(|c| (*c, kind)).collect::<Vec<_>>()
        };
        ranges.extend(by_kind(false, AddressKind::RemotePodRange));
        ranges.extend(by_kind(true, AddressKind::LocalPodRange));
        index.ranges = ranges;
        index.take_addresses(&nodes, local, numbers);
        index
    }

    fn take_cidrs(&mut self, node: &Node) {
        let owner: Arc<str> = node.name.as_str().into();
        for cidr in node.pod_cidrs.iter().map(|c| normal(*c)) {
            match self.spans.other(&cidr, &node.name).map(str::to_owned) {
                Some(other) => self.problem(
                    node,
                    "spec.podCIDRs",
                    format!("{cidr} overlaps a pod CIDR of node {other}, which was known first and keeps it; pods of {} in it are not taken for pods. Give the node another pod CIDR.", node.name),
                ),
                None => {
                    self.spans.take(&cidr, &owner);
                    self.by_node.entry(node.name.clone()).or_default().push(cidr);
                }
            }
        }
    }

    fn take_addresses(&mut self, nodes: &[&Node], local: &LocalView, numbers: &NodeNumbers) {
        let this = NodeAddress { kind: AddressKind::ThisNode, owner: numbers.of(&local.node) };
        for address in &local.addresses {
            self.addresses.insert((*address).into(), this);
        }
        for node in nodes {
            let own = node.name == local.node;
            let owner = numbers.of(&node.name);
            for gateway in
                self.by_node.get(&node.name).into_iter().flatten().filter_map(gateway).collect::<Vec<_>>()
            {
                let transit = NodeAddress { kind: AddressKind::RemoteTransit, owner };
                self.addresses.entry(gateway.into()).or_insert(if own { this } else { transit });
            }
            let disbelieved = local.disbelieved.get(&node.name);
            let believed = |address: &&IpAddr| disbelieved.is_none_or(|these| !these.contains(*address));
            for address in node.addresses.iter().filter(believed) {
                if !own && self.owner_of(*address).is_some() {
                    self.problem(
                        node,
                        "status.addresses",
                        format!("{address} lies in a pod CIDR: it is not taken for the node's. Remove the overlap."),
                    );
                    continue;
                }
                let value = if own { this } else { NodeAddress { kind: AddressKind::RemoteNode, owner } };
                let taken = *self.addresses.entry((*address).into()).or_insert(value);
                if taken != value {
                    self.problem(
                        node,
                        "status.addresses",
                        format!("{address} belongs to a node that was known first. Give the node an address of its own."),
                    );
                }
            }
        }
    }

    /// The node in whose pod CIDRs the address lies.
    pub(super) fn owner_of(&self, address: IpAddr) -> Option<&str> {
        self.spans.owner(address)
    }

    /// Whether the address lies in a pod CIDR of this node.
    pub(super) fn is_of(&self, node: &str, address: IpAddr) -> bool {
        self.by_node.get(node).is_some_and(|cidrs| cidrs.iter().any(|c| c.contains(address)))
    }

    /// Whether a backend is on the node with this number, by what its slice or pod says or by its address.
    pub(super) fn is_on(&self, numbers: &NodeNumbers, backend: &Backend, number: u32) -> bool {
        let by_address = || match self.addresses.get(&backend.address.into()) {
            Some(node) => Some(node.owner),
            None => self.owner_of(backend.address).map(|name| numbers.of(name)),
        };
        backend.node.as_ref().map(|name| numbers.of(name)).or_else(by_address) == Some(number)
    }

    fn problem(&mut self, node: &Node, field: &str, message: String) {
        self.problems.push(Problem {
            source: "policy".to_owned(),
            kind: "Node".to_owned(),
            object: ObjectName::new("", &node.name),
            field: field.to_owned(),
            message,
        });
    }
}
