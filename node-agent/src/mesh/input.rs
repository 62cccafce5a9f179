//! What mesh compilation is told beside the snapshot.
use super::memory::Memory;
use crate::desired::Snapshot;
use ipnetwork::IpNetwork;
use ringfence_keyring::{Epoch, PerPlane, Plane, PlaneKeys, PublicKey, Publication};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Seconds between keepalives on the plane that does not carry a pair's traffic, and on both while a rotation is under way:
/// below the 30 s after which many firewalls forget a UDP flow.
pub const DEFAULT_KEEPALIVE: u16 = 25;

/// Everything [`compile`](super::compile) decides from.
#[derive(Clone, Copy, Debug)]
pub struct MeshInput<'a> {
    /// The cluster.
    pub snapshot: &'a Snapshot,
    /// Whose mesh it is.
    pub node: &'a str,
    /// Our own keys.
    pub keys: &'a LocalKeysView,
    /// Our own addresses on the underlay.
    pub underlay: &'a UnderlayFacts,
    /// Settings.
    pub config: &'a MeshConfig,
    /// What is known of nodes from before; empty at first.
    pub memory: &'a Memory,
}

/// What everyone may know of this node's keys, and what it has agreed on with its peers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalKeysView {
    /// Our public keys; none on a plane whose key is being replaced, which has no peers then.
    pub public: PerPlane<Option<PublicKey>>,
    /// The mesh's epoch: its plane carries the traffic.
    pub epoch: Epoch,
    /// By which keys and planes we talk to others.
    pub pairs: Pairs,
    /// A rotation is under way: keepalives run on both planes, so that whoever is there is heard.
    pub rotating: bool,
}

/// By which keys and planes a node talks to others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pairs {
    /// With everybody by the keys that they publish, on the plane of the mesh's epoch: as it is while nobody rotates.
    AsPublished,
    /// As the rotation protocol says, by node. Whoever is not in here is no peer.
    Agreed(BTreeMap<String, Pair>),
}

/// By which keys and plane we talk to one node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pair {
    /// Its key on each of our devices; none: it is not to be there.
    pub keys: PerPlane<Option<PublicKey>>,
    /// Where its routes lead; none: to the blackhole.
    pub route: Option<Plane>,
}

impl LocalKeysView {
    /// The view of `keys` in a mesh at `epoch` in which nobody rotates.
    #[must_use]
    pub fn new(keys: &PlaneKeys, epoch: Epoch) -> Self {
        let public = PerPlane::from_fn(|plane| Some(keys.get(plane).public()));
        Self { public, epoch, pairs: Pairs::AsPublished, rotating: false }
    }

    /// How we talk to a node that is believed and has published this.
    pub(super) fn pair(&self, node: &str, published: Option<&Publication>) -> Pair {
        match (&self.pairs, published) {
            (Pairs::Agreed(pairs), _) => pairs.get(node).copied().unwrap_or_default(),
            (Pairs::AsPublished, None) => Pair::default(),
            (Pairs::AsPublished, Some(published)) => Pair {
                keys: PerPlane::from_fn(|plane| Some(published.plane(plane).public_key)),
                route: Some(self.epoch.plane()),
            },
        }
    }

    /// Whether the rotation protocol has agreed on keys with a node: then it has judged them, too.
    pub(super) fn has_agreed(&self, node: &str) -> Option<&Pair> {
        let Pairs::Agreed(pairs) = &self.pairs else { return None };
        pairs.get(node).filter(|pair| pair.keys.iter().any(|(_, key)| key.is_some()))
    }
}

/// The underlay as this node sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UnderlayFacts {
    /// Addresses of this node that others can send WireGuard's packets to, the preferred one first.
    pub addresses: Vec<UnderlayAddress>,
}

/// One address of this node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnderlayAddress {
    /// The address.
    pub address: IpAddr,
    /// MTU of the device that bears it, bytes.
    pub mtu: u32,
}

/// Settings that are the same on every node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeshConfig {
    /// UDP ports of the planes, unless others are published.
    pub ports: PerPlane<u16>,
    /// The cluster's whole pod CIDRs; pod CIDRs of nodes that lie outside are added.
    pub cluster_cidrs: BTreeSet<IpNetwork>,
    /// Where nodes' addresses are; empty: anywhere. What a Node object names outside of them is no node's.
    pub node_cidrs: BTreeSet<IpNetwork>,
    /// Seconds between keepalives on a plane that is kept alive.
    pub keepalive: u16,
}

impl MeshConfig {
    /// Whether an address may be a node's.
    pub(super) fn may_be_a_nodes(&self, address: IpAddr) -> bool {
        self.node_cidrs.is_empty() || self.node_cidrs.iter().any(|cidr| cidr.contains(address))
    }
}

impl Default for MeshConfig {
    fn default() -> Self {
        Self {
            ports: PerPlane::DEFAULT_PORTS,
            cluster_cidrs: BTreeSet::new(),
            node_cidrs: BTreeSet::new(),
            keepalive: DEFAULT_KEEPALIVE,
        }
    }
}
