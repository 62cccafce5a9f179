//! What was found on the node, as plain values.
use crate::mesh::spec::{LockSpec, NatSpec, RouteSpec, RouteVia, RuleSpec, WordsSpec};
use ipnetwork::IpNetwork;
use ringfence_keyring::{Plane, PublicKey};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// Everything the plan starts from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ObservedMesh {
    /// Devices of our names.
    pub devices: BTreeMap<Plane, ObservedDevice>,
    /// Routes that bear our protocol number.
    pub routes: BTreeSet<ObservedRoute>,
    /// Rules that bear our protocol number.
    pub rules: BTreeSet<RuleSpec>,
    /// Files below `/proc/sys` that are there.
    pub sysctls: BTreeMap<String, String>,
    /// What our nftables table locks; `None` if it is not there or not as we made it.
    pub lock: Option<LockSpec>,
    /// What our nftables table of sources does; `None` if it is not there or not as we made it.
    pub nat: Option<NatSpec>,
    /// Whose words reach the agent; `None` if that nftables table is not there or not as we made it.
    pub words: Option<WordsSpec>,
}

impl ObservedMesh {
    /// Whether `route` is there as it shall be.
    #[must_use]
    pub fn has(&self, route: &RouteSpec) -> bool {
        self.routes.contains(&ObservedRoute {
            table: route.table,
            destination: route.destination,
            metric: route.metric,
            via: Some(route.via.clone()),
        })
    }

    /// Whether anything is sent over a plane to where `route` leads, by a route that it would replace.
    #[must_use]
    pub fn leads_onto_mesh(&self, route: &RouteSpec) -> bool {
        self.routes.iter().any(|there| {
            let same = (there.table, there.destination) == (route.table, route.destination);
            same && matches!(there.via, Some(RouteVia::Plane(..)))
        })
    }
}

/// A route of ours, whatever became of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObservedRoute {
    /// Routing table number.
    pub table: u32,
    /// Destination.
    pub destination: IpNetwork,
    /// Metric.
    pub metric: u32,
    /// Where it leads; `None` for what we never make.
    pub via: Option<RouteVia>,
}

/// What a device is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DeviceKind {
    /// The kernel's WireGuard.
    Kernel,
    /// A TUN device, which the embedded WireGuard stands behind.
    Userspace,
    /// Anything else, by the kernel's name for it.
    Other(String),
}

/// A device of our name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObservedDevice {
    /// What it is.
    pub kind: DeviceKind,
    /// `IFF_UP`.
    pub up: bool,
    /// Bytes.
    pub mtu: u32,
    /// Its addresses, without link-local ones.
    pub addresses: BTreeSet<IpNetwork>,
    /// Whether this process has put the programs onto it.
    pub programs: bool,
    /// What WireGuard says; `None` if it does not answer.
    pub control: Option<ObservedControl>,
}

/// A device's WireGuard state.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ObservedControl {
    /// Of its private key, if it has one.
    pub public_key: Option<PublicKey>,
    /// UDP port, host order; 0 if none was set.
    pub listen_port: u16,
    /// By public key.
    pub peers: BTreeMap<PublicKey, ObservedPeer>,
    /// Keys of peers that are no valid public keys (nobody can hold the private half): they are removed.
    pub impossible: BTreeSet<[u8; 32]>,
}

/// A peer as WireGuard has it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ObservedPeer {
    /// Where its packets are sent now.
    pub endpoint: Option<SocketAddr>,
    /// Its AllowedIPs.
    pub allowed: BTreeSet<IpNetwork>,
    /// Seconds; 0 is off.
    pub keepalive: u16,
    /// Whether somebody set a preshared key.
    pub preshared: bool,
    /// Time since the last handshake, if there was one.
    pub handshake: Option<Duration>,
    /// Bytes received and decrypted.
    pub rx_bytes: u64,
    /// Bytes encrypted and sent.
    pub tx_bytes: u64,
    /// The endpoint that this process last set, if it has set one.
    pub published: Option<SocketAddr>,
    /// Time since this process first saw the peer.
    pub known: Duration,
}
