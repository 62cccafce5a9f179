//! What the datapath of one node shall hold, as plain values: the result of compiling, and what was observed.
use ipnetwork::IpNetwork;
use ringfence_abi::{
    Addr, AddressValue, EndpointValue, PolicyKey, PolicyValue, PortBitmap, PrefixValue, ServiceKey,
    ServiceValue,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// The tables of `ringfence-abi`, whole.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tables {
    /// `RF_ADDRESSES`.
    pub addresses: HashMap<Addr, AddressValue>,
    /// `RF_PREFIXES`, in the address's own family (the executor maps IPv4 ones).
    pub prefixes: HashMap<IpNetwork, PrefixValue>,
    /// `RF_ENDPOINTS` by ifindex.
    pub endpoints: HashMap<u32, EndpointValue>,
    /// `RF_SERVICES`.
    pub services: HashMap<ServiceKey, ServiceValue>,
    /// `RF_POLICY`.
    pub policy: HashMap<PolicyKey, PolicyValue>,
    /// `RF_PORTS` by index.
    pub bitmaps: BTreeMap<u32, Arc<PortBitmap>>,
    /// Class of what this node masqueraded for others, IPv4 and IPv6.
    pub transit_class: [u32; 2],
}

/// What only this node knows: its name, its own addresses, and the pods that were attached here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LocalView {
    /// This node's name.
    pub node: String,
    /// Every address that is local here (observed from the kernel), gateways included.
    pub addresses: Vec<IpAddr>,
    /// The pods attached by CNI ADD.
    pub endpoints: Vec<LocalEndpoint>,
    /// The cluster's whole pod CIDRs (configured): an address in them is a pod's, also while its node is not known.
    pub cluster_pod_cidrs: Vec<IpNetwork>,
    /// Nodes that the mesh does not believe (`MeshSpec::refused`): no address counts as one of their pods'.
    pub refused_nodes: BTreeSet<String>,
    /// Addresses that nodes name and the mesh does not take for theirs (`MeshSpec::disbelieved`), by node.
    pub disbelieved: BTreeMap<String, BTreeSet<IpAddr>>,
}

impl LocalView {
    /// Whether nodes and pod CIDRs come to the same in both, whatever is attached.
    pub(super) fn places_nodes_as(&self, other: &Self) -> bool {
        self.node == other.node
            && self.addresses == other.addresses
            && self.cluster_pod_cidrs == other.cluster_pod_cidrs
            && self.refused_nodes == other.refused_nodes
            && self.disbelieved == other.disbelieved
    }
}

/// One pod sandbox on this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalEndpoint {
    /// Never used again on this node.
    pub id: u32,
    /// Host side of its veth.
    pub ifindex: u32,
    /// Which pod.
    pub pod: crate::model::ObjectName,
    /// `K8S_POD_UID`, if the runtime said it.
    pub uid: Option<String>,
    /// What IPAM gave it, at most one of each family.
    pub addresses: Vec<IpAddr>,
    /// CNI DEL has begun: nothing passes any more.
    pub closing: bool,
}
