//! Who has which address, and which probes wait for an answer.
use ringfence_keyring::rotation::NodeName;
use ringfence_keyring::{PairKey, PerPlane, Plane, PublicKey};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A probe is sent again after this...
const AGAIN: Duration = Duration::from_millis(300);
/// ...and is not answered if it was not within this.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everybody who may be talked to; as the mesh was last compiled.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Addressees {
    /// Our own node addresses, at most one of each family.
    pub from: Vec<IpAddr>,
    /// The others.
    pub nodes: BTreeMap<NodeName, Party>,
    /// MTU of each device, bytes.
    pub mtu: PerPlane<u32>,
}

/// A node that may be talked to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Party {
    /// Its node addresses.
    pub addresses: Vec<IpAddr>,
    /// What proves to each other who says something, by the plane that it is said over; only where it is a peer.
    pub keys: PerPlane<Option<Arc<PairKey>>>,
}

impl Addressees {
    /// The address to talk to a node at: its first of a family that we have.
    pub(super) fn address(&self, node: &str) -> Option<IpAddr> {
        let party = self.nodes.get(node)?;
        let ours = |address: &&IpAddr| self.from.iter().any(|own| own.is_ipv4() == address.is_ipv4());
        party.addresses.iter().find(ours).copied()
    }
}

/// A probe under way.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    pub(super) number: u64,
    pub(super) ours: PublicKey,
    pub(super) theirs: PublicKey,
    again: Instant,
    until: Instant,
}

/// Probes under way, one a node and plane.
#[derive(Debug, Default)]
pub(super) struct Probes(BTreeMap<(NodeName, Plane), Probe>);

/// What is to be done about a probe.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Send it again.
    Send { node: NodeName, plane: Plane, number: u64 },
    /// It was not answered.
    GiveUp { node: NodeName, plane: Plane },
}

impl Probes {
    /// Begins one, in the place of an earlier one. It is due at once.
    pub(super) fn begin(
        &mut self,
        (node, plane): (NodeName, Plane),
        (ours, theirs): (PublicKey, PublicKey),
        number: u64,
        now: Instant,
    ) {
        let probe = Probe { number, ours, theirs, again: now, until: now + PATIENCE };
        self.0.insert((node, plane), probe);
    }

    /// Takes an answer; the probe it answers, if there is one.
    pub(super) fn answered(&mut self, node: &NodeName, plane: Plane, number: u64) -> Option<Probe> {
        let at = (node.clone(), plane);
        self.0.get(&at).is_some_and(|probe| probe.number == number).then(|| self.0.remove(&at))?
    }

    /// What is due now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Due> {
        let mut all = Vec::new();
        self.0.retain(|(node, plane), probe| {
            let (node, plane) = (node.clone(), *plane);
            if now >= probe.until {
                all.push(Due::GiveUp { node, plane });
                return false;
            }
            if now >= probe.again {
                probe.again = now + AGAIN;
                all.push(Due::Send { node, plane, number: probe.number });
            }
            true
        });
        all
    }

    /// When something will be due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().map(|probe| probe.again.min(probe.until)).min()
    }
}
