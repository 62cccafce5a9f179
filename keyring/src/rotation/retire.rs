//! When a key may go, and how the next one takes its place.

use super::Mistake;
use super::action::{Action, Remake, Report};
use super::moment::{LINGER, Moment, SILENCE};
use super::pairs::route;
use super::published::{NodeName, OwnKey};
use super::state::{Peer, State};
use crate::epoch::Epoch;
use crate::plane::{PerPlane, Plane};

impl State {
    /// Whether the mesh has moved on from a plane's key.
    pub(super) fn is_outdated(&self, plane: Plane) -> bool {
        let (Some(key), Some(other)) = (self.own(plane), self.own(plane.other())) else { return false };
        key.epoch < other.epoch && other.epoch <= self.record.mesh
    }

    /// Whether a plane's key is to be replaced as soon as nobody uses it.
    pub(super) fn is_due(&self, plane: Plane) -> bool {
        let replaceable = self.own(plane).is_some() && self.own(plane.other()).is_some();
        replaceable && (self.is_outdated(plane) || self.record.leaving.get(plane).is_some())
    }

    /// Whether our keys are what a mesh at its present epoch wants, and none is to be replaced.
    pub(super) fn is_settled(&self) -> bool {
        self.published().is_some_and(|published| published.is_settled(self.record.mesh))
    }

    fn is_forced(&self, plane: Plane) -> bool {
        let below = self.own(plane).is_some_and(|key| self.forced.is_some_and(|forced| key.epoch < forced));
        let turn = self.record.leaving.get(plane).is_some() && self.forced_turn == Some(self.record.turns);
        below || turn
    }

    /// Notes whether a peer keeps our keys in use.
    pub(super) fn hold(&mut self, name: &NodeName) {
        for plane in Plane::ALL {
            let holds = self.peers.get(name).is_some_and(|peer| self.holds(peer, plane));
            if holds {
                self.holding.get_mut(plane).insert(name.clone());
            } else {
                self.holding.get_mut(plane).remove(name);
            }
        }
    }

    /// A peer keeps a plane's key in use while we send to it there, and while it could send to us there.
    fn holds(&self, peer: &Peer, plane: Plane) -> bool {
        #[cfg(feature = "seeded-mistakes")]
        if self.seeded.makes(Mistake::ForgetLateJoiner) && peer.late {
            return false;
        }
        if peer.given_up || self.is_forced(plane) {
            return false;
        }
        if self.seeded.makes(Mistake::ForgetUnread) && peer.published.is_none() {
            return false;
        }
        let sending = peer.sending == Some(plane);
        let receiving = peer.configured.get(plane).is_some() && !*peer.off.get(plane);
        sending || (receiving && !self.seeded.makes(Mistake::RetireWithoutWords))
    }

    /// Gives up those that keep a plane and were heard on neither for too long. Nobody else.
    pub(super) fn give_up(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let mut silent = Vec::new();
        for plane in Plane::ALL.into_iter().filter(|plane| self.is_due(*plane)) {
            for name in self.holding.get(plane) {
                let Some(peer) = self.peers.get(name) else { continue };
                let since =
                    if self.seeded.makes(Mistake::CutHeardPeer) { self.epoch_since } else { peer.heard };
                if now.since(since) >= SILENCE {
                    silent.push(name.clone());
                }
            }
        }
        for name in silent {
            if let Some(peer) = self.peers.get_mut(&name)
                && !std::mem::replace(&mut peer.given_up, true)
            {
                actions.push(Action::Report(Report::GaveUp(name.clone())));
                self.hold(&name);
            }
        }
    }

    /// Replaces a key that nobody uses any more, after the time that packets may still be on their way.
    pub(super) fn replace_key(&mut self, now: Moment, actions: &mut Vec<Action>) {
        for plane in Plane::ALL {
            let (Some(since), Some(own)) = (*self.free_since.get(plane), self.own(plane)) else { continue };
            let Some(other) = self.own(plane.other()) else { continue };
            let empty = |plane| self.peers.values().all(|peer| peer.configured.get(plane).is_none());
            let lingered = now.since(since) >= LINGER || self.seeded.makes(Mistake::NoLinger);
            if !lingered && !empty(plane) {
                continue;
            }
            if other.epoch < self.record.mesh && self.holding.get(plane.other()).is_empty() {
                self.remake(Remake::LeftBehind, actions);
                return;
            }
            let epoch = if self.is_outdated(plane) { other.epoch.next() } else { Some(own.epoch) };
            let Some(epoch) = epoch else { continue };
            self.clear(plane, actions);
            self.unsaved = true;
            *self.record.retiring.get_mut(plane) = true;
            actions.push(Action::Retire { plane, public: own.public });
            actions.push(Action::MakeKey { plane, epoch });
            return;
        }
    }

    /// Both keys go at once, and with them everything that rested on them.
    pub(super) fn remake(&mut self, why: Remake, actions: &mut Vec<Action>) {
        let active = self.record.mesh.plane();
        actions.push(Action::Report(Report::Remade(why)));
        self.unsaved = true;
        self.renewed = true;
        self.record.remaking = true;
        self.record.retiring = PerPlane { zero: true, one: true };
        self.record.leaving = PerPlane::default();
        self.record.second = None;
        for plane in Plane::ALL {
            self.clear(plane, actions);
        }
        for (plane, epoch) in [(active, Some(self.record.mesh)), (active.other(), self.record.mesh.next())] {
            if let Some(key) = *self.record.keys.get(plane) {
                actions.push(Action::Retire { plane, public: key.public });
            }
            actions.extend(epoch.map(|epoch| Action::MakeKey { plane, epoch }));
        }
    }

    /// Takes our own traffic off a plane, whether or not the other is proven: for those who were given up.
    fn clear(&mut self, plane: Plane, actions: &mut Vec<Action>) {
        let mesh_wide = self.record.remaking;
        let names: Vec<NodeName> = self.peers.keys().cloned().collect();
        for name in &names {
            let Some(peer) = self.peers.get(name) else { continue };
            let elsewhere = (!mesh_wide && self.common(peer, plane.other()).is_some()).then(|| plane.other());
            let Some(peer) = self.peers.get_mut(name) else { continue };
            if peer.sending == Some(plane) {
                route(name, peer, elsewhere, actions);
            }
            *peer.configured.get_mut(plane) = None;
            *peer.off.get_mut(plane) = false;
            *peer.probing.get_mut(plane) = false;
            self.hold(name);
        }
    }

    /// A new key is there: tell the others.
    pub(super) fn key_made(&mut self, plane: Plane, key: OwnKey, actions: &mut Vec<Action>) {
        if !*self.record.retiring.get(plane) || key.epoch.plane() != plane {
            return;
        }
        self.unsaved = true;
        *self.record.keys.get_mut(plane) = Some(key);
        *self.record.retiring.get_mut(plane) = false;
        *self.record.since.get_mut(plane) = self.record.serial + 1;
        if self.record.leaving.get_mut(plane).take().is_some() && plane != self.record.mesh.plane() {
            self.record.fresh = Some(self.record.mesh);
        }
        if self.record.second == Some(plane) {
            self.record.second = None;
        }
        if Plane::ALL.into_iter().any(|plane| self.own(plane).is_none()) {
            return;
        }
        self.record.remaking = false;
        self.flag_second();
        self.publish(actions);
        self.attend_all(actions);
    }

    /// What the mesh's object says.
    pub(super) fn reach(&mut self, epoch: Epoch, actions: &mut Vec<Action>) {
        self.record.mesh = epoch;
        self.unsaved = true;
        self.take_back(actions);
        self.attend_all(actions);
    }
}
