//! What the evaluator knows of a cluster: plain structs, one per kind of object.
use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use super::cidr::Cidr;

/// An address family as queries name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Family {
    /// IPv4
    IPv4,
    /// IPv6
    IPv6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::IPv4 } else { Self::IPv6 }
    }
}

/// Everything that bears on who may reach whom.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Labels of each namespace, by name; `kubernetes.io/metadata.name` is always among them.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// Nodes in the order given, undeclared ones last.
    pub nodes: Vec<Node>,
    /// Pods that run. Completed ones (phase Succeeded or Failed) are not here: their address is nobody's.
    pub pods: Vec<Pod>,
    /// Services, headless ones too.
    pub services: Vec<Service>,
    /// NetworkPolicy objects as the API has them.
    pub policies: Vec<Value>,
    /// `spec.podCIDRs` of all nodes.
    pub pod_cidrs: Vec<Cidr>,
}

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// At most one per family matters to queries; all of them mean the node.
    pub addresses: Vec<IpAddr>,
}

/// A running pod.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its node's name.
    pub node: String,
    /// Its addresses; its node's if `host_network`.
    pub addresses: Vec<IpAddr>,
    /// It uses its node's network, so it is its node.
    pub host_network: bool,
    /// It may back Services.
    pub ready: bool,
    /// What its containers declare.
    pub ports: Vec<ContainerPort>,
}

/// One entry of a container's `ports`.
#[derive(Clone, Debug)]
pub struct ContainerPort {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// The number, host order.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// The port of the node that leads to it.
    pub host_port: Option<u16>,
}

/// A Service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// ClusterIPs; none if it is headless.
    pub cluster_ips: Vec<IpAddr>,
    /// External IPs and those of load balancers.
    pub external_ips: Vec<IpAddr>,
    /// `externalTrafficPolicy: Local`.
    pub local: bool,
    /// `internalTrafficPolicy: Local`: the ClusterIP leads to backends on the client's own node only.
    pub internal_local: bool,
    /// Its ports.
    pub ports: Vec<ServicePort>,
}

/// One port of a Service.
#[derive(Clone, Debug)]
pub struct ServicePort {
    /// The Service's own port, host order.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// The port at every node.
    pub node_port: Option<u16>,
    /// Ready backends, of both families.
    pub backends: Vec<Backend>,
}

/// Where a connection to a Service may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    /// A pod's, node's or external address.
    pub address: IpAddr,
    /// The backend's own port, host order.
    pub port: u16,
}

impl Pod {
    /// Its address of a family.
    pub fn address(&self, family: Family) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|a| Family::of(*a) == family)
    }

    /// `ns/name`, as queries name it.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether both are the same pod.
    pub fn is(&self, other: &Self) -> bool {
        self.namespace == other.namespace && self.name == other.name
    }
}

impl Node {
    /// Its address of a family.
    pub fn address(&self, family: Family) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|a| Family::of(*a) == family)
    }
}

impl Cluster {
    /// The pod of this namespace and name.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&Pod> {
        self.pods.iter().find(|p| p.namespace == namespace && p.name == name)
    }

    /// The pod that has this address for itself (not one that uses its node's).
    pub fn pod_at(&self, address: IpAddr) -> Option<&Pod> {
        self.pods.iter().find(|p| !p.host_network && p.addresses.contains(&address))
    }

    /// Whether the address is one for pods, be it taken or not. Of the cluster's pod CIDRs as a whole only the nodes'
    /// parts are declared: the rest is taken to be their /16s and /48s, where these hold nothing else of the cluster's.
    pub fn is_for_pods(&self, address: IpAddr) -> bool {
        self.pod_cidrs.iter().any(|cidr| {
            let whole = cidr.widened(if address.is_ipv4() { 16 } else { 48 });
            let nodes = self.nodes.iter().flat_map(|n| &n.addresses);
            let services = self.services.iter().flat_map(|s| s.cluster_ips.iter().chain(&s.external_ips));
            let shared = nodes.chain(services).any(|a| whole.contains(*a));
            cidr.contains(address) || (!shared && whole.contains(address))
        })
    }

    /// Whether the address is the gateway of a node's pod CIDR: the one after its first, which the node itself has.
    pub fn is_gateway(&self, address: IpAddr) -> bool {
        self.pod_cidrs.iter().any(|cidr| cidr.second() == address)
    }

    /// The node of this name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|n| n.name == name)
    }

    /// The node with this address.
    pub fn node_at(&self, address: IpAddr) -> Option<&Node> {
        self.nodes.iter().find(|n| n.addresses.contains(&address))
    }

    /// The Service of this namespace and name.
    pub fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.services.iter().find(|s| s.namespace == namespace && s.name == name)
    }
}
