//! What others may ask of a state.

use std::sync::Arc;
use std::time::Duration;

use super::moment::Moment;
use super::published::{NodeName, NodeUid, OwnKey, Published};
use super::record::Record;
use super::state::{Peer, State};
use super::waiting::{Reason, Waiting};
use crate::epoch::Epoch;
use crate::key::PublicKey;
use crate::plane::Plane;

impl State {
    /// The node's own name.
    #[must_use]
    pub fn node(&self) -> &NodeName {
        &self.me
    }

    /// What must be on disk: the content of [`Action::Persist`](super::Action::Persist).
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The mesh's epoch, as far as this node knows.
    #[must_use]
    pub fn mesh_epoch(&self) -> Epoch {
        self.record.mesh
    }

    /// Our key on a plane; `None` while it is being replaced.
    #[must_use]
    pub fn key(&self, plane: Plane) -> Option<OwnKey> {
        self.own(plane)
    }

    /// Peers that a plane's device shall have, with their keys there.
    pub fn peers(&self, plane: Plane) -> impl Iterator<Item = (&NodeName, PublicKey)> {
        self.peers.iter().filter_map(move |(name, peer)| Some((name, (*peer.configured.get(plane))?)))
    }

    /// The key that a peer shall have on a plane's device, if it is to be there.
    #[must_use]
    pub fn peer(&self, peer: &str, plane: Plane) -> Option<PublicKey> {
        *self.peers.get(peer)?.configured.get(plane)
    }

    /// The plane that the route to a peer shall lead to.
    #[must_use]
    pub fn route(&self, peer: &str) -> Option<Plane> {
        self.peers.get(peer)?.sending
    }

    /// What of a peer's publications was believed last, since the start.
    #[must_use]
    pub fn believed(&self, peer: &str) -> Option<&Arc<Published>> {
        self.peers.get(peer)?.published.as_ref()
    }

    /// The peers there are, with the UIDs of their Node objects.
    pub fn members(&self) -> impl Iterator<Item = (&NodeName, &NodeUid)> {
        self.peers.iter().map(|(name, peer)| (name, &peer.uid))
    }

    /// Whether nobody that this node has read of has anything left to do: no rotation is under way in the mesh.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let settled = |peer: &Peer| {
            peer.published.as_ref().is_none_or(|published| published.is_settled(self.record.mesh))
        };
        self.is_idle() && self.peers.values().all(settled)
    }

    /// Whether a rotation of the mesh or of this node has yet to end here.
    #[must_use]
    pub fn is_rotating(&self) -> bool {
        Plane::ALL.into_iter().any(|plane| self.is_due(plane) || self.own(plane).is_none())
            || self.record.second.is_some()
    }

    /// Whether every request that this node knows of is satisfied, as far as it is up to this node.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.is_rotating()
            && self.goal <= self.record.mesh
            && self.turn_goal <= self.record.turns
            && self.is_settled()
    }

    /// Whom this node's planes wait for, and why; empty if for nobody.
    #[must_use]
    pub fn waiting(&self, now: Moment) -> Vec<Waiting> {
        let mut waiting = Vec::new();
        for plane in Plane::ALL.into_iter().filter(|plane| self.is_due(*plane)) {
            for name in self.holding.get(plane) {
                let Some(peer) = self.peers.get(name) else { continue };
                let reason = match peer.sending {
                    Some(sending) if sending == plane && self.target(name, peer) == Some(plane) => {
                        Reason::NoKeys
                    }
                    Some(sending) if sending == plane => Reason::NoProbe,
                    _ => Reason::NoWord,
                };
                waiting.push(Waiting { plane, peer: name.clone(), reason, unheard: now.since(peer.heard) });
            }
        }
        waiting
    }

    /// Rotate by schedule: raise the mesh's epoch when it has lasted so long. `None`: on request only.
    pub fn rotate_every(&mut self, span: Option<Duration>) {
        self.rotate_every = span;
    }
}

/// For the model checker, whose states must not differ by what the clock shows.
#[cfg(feature = "seeded-mistakes")]
impl State {
    /// Plants a mistake.
    pub fn plant(&mut self, mistake: Option<super::Mistake>) {
        self.seeded = super::mistake::Seeded(mistake);
    }

    /// The serial of a peer's publication that was read last, since the start.
    #[must_use]
    pub fn taken_in(&self, peer: &str) -> Option<u64> {
        Some(self.peers.get(peer)?.published.as_ref()?.serial)
    }

    /// Whether [`Event::Listed`](super::Event::Listed) has happened.
    #[must_use]
    pub fn has_listed(&self) -> bool {
        self.listed
    }

    /// Whether everybody who keeps a plane from being retired is named by [`State::waiting`].
    #[must_use]
    pub fn names_all(&self) -> bool {
        let waiting = self.waiting(Moment::default());
        let named = |plane, name: &NodeName| {
            waiting.iter().any(|waiting| waiting.plane == plane && waiting.peer == *name)
        };
        let due = Plane::ALL.into_iter().filter(|plane| self.is_due(*plane));
        due.into_iter().all(|plane| {
            let free = self.free_since.get(plane).is_some();
            free || self.holding.get(plane).iter().all(|name| named(plane, name)) && !waiting.is_empty()
        })
    }

    /// Makes every moment this one: time that has passed is forgotten.
    pub fn stop_clock(&mut self, now: Moment) {
        self.epoch_since = now;
        self.written_at = None;
        for plane in Plane::ALL {
            let since = self.free_since.get_mut(plane);
            *since = since.map(|_| now);
        }
        for peer in self.peers.values_mut() {
            peer.heard = now;
            peer.stale_since = None;
        }
        self.claimed_since = self.claimed_since.map(|_| now);
    }
}
