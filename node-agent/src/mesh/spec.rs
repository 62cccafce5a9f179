//! What the mesh of one node shall be, as plain values. No private key is in here: the executor takes those from the
//! keyring by plane.
use super::memory::Known;
use crate::model::Problem;
use ipnetwork::IpNetwork;
use ringfence_keyring::{Plane, PublicKey};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// The routing table that rules on local pods' sources lead to: routes to other nodes' own addresses.
pub const POD_TABLE: u32 = 1871;
/// The routing tables of the planes, this one and the next, for what is sent by a socket that is bound to a plane's device.
pub const PLANE_TABLES: u32 = 1872;
/// The main table (`RT_TABLE_MAIN`, linux/rtnetlink.h).
pub const MAIN_TABLE: u32 = 254;
/// Priority of our rules: before the main table's 32766, behind what people put first.
pub const RULE_PRIORITY: u32 = 1871;
/// Metric of routes onto the mesh.
pub const ROUTE_METRIC: u32 = 100;
/// Metric of blackholes: what is reached when the route onto the mesh is not there.
pub const BLACKHOLE_METRIC: u32 = 1_000_000;

/// The whole mesh state of a node.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MeshSpec {
    /// Both WireGuard devices.
    pub devices: BTreeMap<Plane, DeviceSpec>,
    /// Routes of every table we own.
    pub routes: BTreeSet<RouteSpec>,
    /// Policy rules we own.
    pub rules: BTreeSet<RuleSpec>,
    /// What must not leave but by the mesh, whatever routes say.
    pub lock: LockSpec,
    /// Source address translation before kube-proxy's postrouting.
    pub nat: NatSpec,
    /// Whose words reach this node's agent.
    pub words: WordsSpec,
    /// Files below `/proc/sys`, as in `net/ipv4/ip_forward`, with their values.
    pub sysctls: BTreeMap<String, String>,
    /// Nodes whose CIDRs and keys were accepted, with the UID of their Node object.
    pub members: BTreeMap<String, String>,
    /// What is whose: [`Memory::learn`](super::Memory::learn) hands it to the next compilation, for of two claimants the
    /// one known first stays.
    pub known: BTreeMap<String, Known>,
    /// Addresses that nodes name, believed or not, and that are not taken for theirs.
    pub disbelieved: BTreeMap<String, BTreeSet<IpAddr>>,
    /// Nodes that were refused: overlapping CIDRs, equal keys, no addresses; with the reason.
    pub refused: BTreeMap<String, String>,
    /// The same, and what addresses are not believed, as problems of the objects that are to be mended.
    pub problems: Vec<Problem>,
    /// Nodes that have not published keys yet.
    pub waiting: BTreeSet<String>,
    /// What an administrator should know about this node's own part.
    pub warnings: BTreeSet<String>,
}

/// One WireGuard device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceSpec {
    /// Our own key on this plane; the private half comes from the keyring. `None` while it is being replaced: the device
    /// has neither key nor peers then.
    pub public_key: Option<PublicKey>,
    /// UDP port, host order.
    pub listen_port: u16,
    /// Bytes, derived from the underlay's.
    pub mtu: u32,
    /// The IPv4 transit address, alone in its network. The kernel drops what comes in on a device without an IPv4
    /// address if the route back leads over another device, however loose `rp_filter` is (`__fib_validate_source`,
    /// net/ipv4/fib_frontend.c: `last_resort`), and over another it leads while traffic changes planes.
    pub addresses: BTreeSet<IpNetwork>,
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
    /// Which side sends the first keepalive, and so begins the handshake. The other side waits half a second for it: two
    /// nodes that begin at the same instant hold each other up.
    pub begins: bool,
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

/// `from SOURCE [iif PLANE] [oif PLANE] lookup TABLE`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RuleSpec {
    /// A local pod CIDR; everything of its family where a plane is named.
    pub source: IpNetwork,
    /// The plane that packets came in by.
    pub plane: Option<Plane>,
    /// The plane to whose device the sending socket is bound.
    pub bound: Option<Plane>,
    /// Routing table number.
    pub table: u32,
    /// Priority.
    pub priority: u32,
}

/// What leaves by the mesh or not at all, even where routes of others lead elsewhere: inputs of a second nftables table.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LockSpec {
    /// All pod CIDRs of the cluster.
    pub cluster: BTreeSet<IpNetwork>,
    /// This node's pod CIDRs, which lead to its own pods by devices of any name.
    pub local: BTreeSet<IpNetwork>,
    /// Addresses of all other nodes, believed or not, gone or not, but for what is ours or lies in others' pod CIDRs. Only
    /// pods must not reach them beside the mesh.
    pub nodes: BTreeSet<IpAddr>,
}

/// Who talks to this node's agent over the mesh: inputs of a third nftables table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WordsSpec {
    /// This node's addresses.
    pub own: BTreeSet<IpAddr>,
    /// Those of the nodes that are believed, other than this one.
    pub others: BTreeSet<IpAddr>,
}

/// Inputs of our nftables table of sources.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NatSpec {
    /// All pod CIDRs of the cluster.
    pub cluster_pod_cidrs: BTreeSet<IpNetwork>,
    /// This node's pod CIDRs.
    pub local_pod_cidrs: BTreeSet<IpNetwork>,
    /// Addresses of this node that are published (node addresses).
    pub node_addresses: BTreeSet<IpAddr>,
    /// What this node's own packets are sent from on the mesh, at most one of each family.
    pub preferred_sources: BTreeSet<IpAddr>,
    /// Addresses of the other nodes.
    pub peer_addresses: BTreeSet<IpAddr>,
    /// Gateways of this node's pod CIDRs, at most one of each family.
    pub transit: BTreeSet<IpAddr>,
    /// Addresses of local pods: one that reaches itself through a Service must stay masqueraded.
    pub local_pods: BTreeSet<IpAddr>,
}
