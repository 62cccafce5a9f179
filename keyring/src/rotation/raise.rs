//! The mesh's epoch: reading it, and raising it when everybody has finished the last rotation.

use std::ops::Bound;
use std::time::Duration;

use super::Mistake;
use super::action::{Action, Refusal, Report};
use super::moment::{Moment, SILENCE};
use super::published::NodeName;
use super::state::{Peer, State};
use crate::epoch::Epoch;

impl State {
    pub(super) fn mesh(&mut self, now: Moment, epoch: Epoch, age: Duration, actions: &mut Vec<Action>) {
        let known = self.record.mesh;
        if epoch == known {
            self.epoch_since = self.epoch_since.min(now.before(age));
        } else if epoch < known {
            if self.seeded.makes(Mistake::EpochGoesBack) {
                self.reach(epoch, actions);
                return;
            }
            // Its object was restored from a backup, or this is an old event. Either way it must not stay so.
            if self.leads(now) {
                actions.push(Action::Report(Report::EpochWentBack { named: epoch, known }));
                actions.push(Action::RaiseEpoch { from: epoch, to: known });
            }
        } else if self.is_believable(epoch) {
            self.epoch_since = now.before(age);
            #[cfg(feature = "seeded-mistakes")]
            if self.seeded.makes(Mistake::ForgetLateJoiner) {
                for peer in self.peers.values_mut() {
                    peer.late = peer.published.is_none();
                }
            }
            self.reach(epoch, actions);
        } else {
            let why = Refusal::Leap { epoch, known };
            actions.push(Action::Report(Report::Refused { node: self.me.clone(), why }));
        }
    }

    /// Raises the epoch if that is wanted, and everybody is where the last rotation ends.
    pub(super) fn raise(&self, now: Moment, actions: &mut Vec<Action>) {
        let from = self.record.mesh;
        let lasted = self.rotate_every.is_some_and(|span| now.since(self.epoch_since) >= span);
        if !self.listed || (self.goal <= from && !lasted) || !self.leads(now) || !self.is_ready(now) {
            return;
        }
        actions.extend(self.next_epoch().map(|to| Action::RaiseEpoch { from, to }));
    }

    /// Whether it is this node's to act for the mesh: the first by name of those that are there. More than one may think
    /// so; the object takes one of them.
    fn leads(&self, now: Moment) -> bool {
        let before = (Bound::Unbounded, Bound::Excluded(&*self.me));
        !self.peers.range::<str, _>(before).any(|(name, peer)| {
            (peer.published.is_some() || self.is_unread(name, peer)) && !is_silent(peer, now)
        })
    }

    fn is_ready(&self, now: Moment) -> bool {
        if self.seeded.makes(Mistake::EpochMeanwhile) {
            return true;
        }
        let mesh = self.record.mesh;
        let fresh = self.fresh_goal.filter(|goal| *goal == mesh);
        let ready = |(name, peer): (&NodeName, &Peer)| {
            let Some(published) = &peer.published else { return !self.is_unread(name, peer) };
            published.is_settled(mesh) && (fresh.is_none() || published.fresh >= fresh)
        };
        let others = self.peers.iter().filter(|(_, peer)| !is_silent(peer, now)).all(ready);
        let own = self.is_settled() && self.acknowledged == self.record.serial;
        own && others && (fresh.is_none() || self.record.fresh >= fresh)
    }

    /// Whether a peer is known to have published, and what it published has not been read since the start.
    pub(super) fn is_unread(&self, name: &NodeName, peer: &Peer) -> bool {
        let known = self.record.peers.get(name).is_some_and(|known| known.serial > 0);
        known && peer.published.is_none() && !self.record.is_revoked(name, &peer.uid)
    }
}

fn is_silent(peer: &Peer, now: Moment) -> bool {
    now.since(peer.heard) >= SILENCE
}
