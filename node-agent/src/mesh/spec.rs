//! What the mesh of one node shall be, as plain values. No key of our own is in here: the executor takes private keys
//! from the keyring by plane.
use ipnetwork::IpNetwork;
use ringfence_keyring::{Plane, PublicKey};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// The whole mesh state of a node.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MeshSpec {
    /// Both WireGuard devices.
    pub devices: BTreeMap<Plane, DeviceSpec>,
    /// Routes of every table we own.
    pub routes: BTreeSet<RouteSpec>,
    /// Policy rules we own.
    pub rules: BTreeSet<RuleSpec>,
    /// Source address translation before kube-proxy's postrouting.
    pub nat: NatSpec,
    /// Nodes that were refused: overlapping CIDRs, equal keys, no addresses; with the reason.
    pub refused: BTreeMap<String, String>,
}

/// One WireGuard device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceSpec {
    /// UDP port, host order.
    pub listen_port: u16,
    /// Bytes, derived from the underlay's.
    pub mtu: u32,
    /// By public key.
    pub peers: BTreeMap<PublicKey, PeerSpec>,
}

/// One peer of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerSpec {
    /// The node that published this key.
    pub node: String,
    /// Where its publication says it listens.
    pub endpoint: SocketAddr,
    /// Exactly its pod CIDRs and node addresses.
    pub allowed: BTreeSet<IpNetwork>,
    /// Seconds; 0 is off.
    pub keepalive: u16,
}

/// Where a route leads.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RouteVia {
    /// Onto a plane's device, with this preferred source.
    Plane(Plane, Option<IpAddr>),
    /// Dropped silently (`blackhole`).
    Blackhole,
}

/// One route.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RouteSpec {
    /// Routing table number.
    pub table: u32,
    /// Destination.
    pub destination: IpNetwork,
    /// Metric; a blackhole's is worse than a real route's.
    pub metric: u32,
    /// Where it leads.
    pub via: RouteVia,
}

/// `from SOURCE lookup TABLE`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RuleSpec {
    /// Local pod CIDR.
    pub source: IpNetwork,
    /// Routing table number.
    pub table: u32,
    /// Priority.
    pub priority: u32,
}

/// Inputs of our nftables table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NatSpec {
    /// All pod CIDRs of the cluster.
    pub cluster_pod_cidrs: BTreeSet<IpNetwork>,
    /// This node's pod CIDRs.
    pub local_pod_cidrs: BTreeSet<IpNetwork>,
    /// Addresses of this node that are published (node addresses).
    pub node_addresses: BTreeSet<IpAddr>,
    /// Addresses of the other nodes.
    pub peer_addresses: BTreeSet<IpAddr>,
    /// Gateways of this node's pod CIDRs, at most one of each family.
    pub transit: BTreeSet<IpAddr>,
    /// Addresses of local pods: one that reaches itself through a Service must stay masqueraded.
    pub local_pods: BTreeSet<IpAddr>,
}
