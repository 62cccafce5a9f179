//! What mesh compilation is told beside the snapshot.
use crate::desired::Snapshot;
use ipnetwork::IpNetwork;
use ringfence_keyring::{Epoch, PerPlane, PlaneKeys, PublicKey};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Seconds between keepalives on the idle plane: below the 30 s after which many firewalls forget a UDP flow.
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
    /// [`MeshSpec::members`](super::MeshSpec::members) of the compilation before this one; empty at first.
    pub previous: &'a BTreeMap<String, String>,
}

/// What everyone may know of this node's keys, and the mesh's epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalKeysView {
    /// Public keys.
    pub public: PerPlane<PublicKey>,
    /// The mesh's epoch: its plane carries the traffic.
    pub epoch: Epoch,
}

impl LocalKeysView {
    /// The view of `keys` in a mesh at `epoch`.
    #[must_use]
    pub fn new(keys: &PlaneKeys, epoch: Epoch) -> Self {
        Self { public: PerPlane::from_fn(|plane| keys.get(plane).public()), epoch }
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
    /// Seconds between keepalives on the idle plane.
    pub keepalive: u16,
}

impl Default for MeshConfig {
    fn default() -> Self {
        Self { ports: PerPlane::DEFAULT_PORTS, cluster_cidrs: BTreeSet::new(), keepalive: DEFAULT_KEEPALIVE }
    }
}
