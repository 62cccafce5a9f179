//! Keys replaced out of turn: of one node (`--node`), and idle ones before a rotation (`--fresh`).
//!
//! Both begin with a publication that says which key is about to go, so that nobody moves onto it any more.

use super::Mistake;
use super::action::Action;
use super::event::Request;
use super::moment::{Moment, SILENCE};
use super::published::NodeName;
use super::state::{Peer, State};
use crate::epoch::Epoch;
use crate::plane::Plane;

impl State {
    pub(super) fn requested(&mut self, request: &Request) {
        match request {
            Request::All { from, fresh, force } => {
                let Some(next) = from.next().filter(|next| self.is_believable(*next)) else { return };
                self.goal = self.goal.max(next);
                if *fresh {
                    self.fresh_goal = self.fresh_goal.max(Some(*from));
                }
                if *force {
                    self.forced = self.forced.max(Some(next));
                }
            }
            Request::Node { node, from, force } if *node == self.me => {
                self.turn_goal = self.turn_goal.max(from.saturating_add(1));
                if *force {
                    self.forced_turn = self.forced_turn.max(Some(from.saturating_add(1)));
                }
            }
            Request::Node { .. } => {}
        }
        let names: Vec<_> = self.peers.keys().cloned().collect();
        for name in &names {
            self.hold(name);
        }
    }

    /// Epochs further ahead than anybody rotates in a lifetime are not believed.
    pub(super) fn is_believable(&self, epoch: Epoch) -> bool {
        epoch.get() <= self.record.mesh.get().saturating_add(1 << 20) && epoch.next().is_some()
    }

    /// Says which key goes next, if one is to go out of turn and nothing else is under way.
    pub(super) fn flag(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if !self.listed || !self.is_settled() || self.record.serial > self.acknowledged {
            return;
        }
        let active = self.record.mesh.plane();
        let idle = active.other();
        let fresh = self.fresh_goal == Some(self.record.mesh) && self.record.fresh < self.fresh_goal;
        let begins = self.record.turns < self.turn_goal && self.record.second.is_none();
        let plane = match self.record.second {
            _ if fresh => idle,
            Some(second) => second,
            None if begins => active,
            None => return,
        };
        if self.is_opposed(plane, |peer| now.since(peer.heard) < SILENCE) {
            return;
        }
        if begins && !fresh {
            self.record.turns += 1;
            self.record.second = Some(idle);
        }
        *self.record.leaving.get_mut(plane) = Some(self.record.serial + 1);
        self.publish(actions);
        self.attend_all(actions);
    }

    /// The second key of a turn follows the first, in the same publication if nobody stands against it.
    pub(super) fn flag_second(&mut self) {
        let Some(plane) =
            self.record.second.filter(|plane| self.is_settled() && !self.is_opposed(*plane, |_| true))
        else {
            return;
        };
        *self.record.leaving.get_mut(plane) = Some(self.record.serial + 1);
    }

    /// Whether a peer is leaving the plane that others would have to go to. Who knows that has told it so, and must
    /// not take back its word; nor must one that may have known it before a restart, and waits to read it again.
    fn is_opposed(&self, plane: Plane, waits: impl Fn(&Peer) -> bool) -> bool {
        let leaves = |peer: &Peer| peer.key(plane.other()).is_some_and(|key| key.leaving);
        let unread = |name: &NodeName, peer: &Peer| self.is_unread(name, peer) && waits(peer);
        self.peers.iter().any(|(name, peer)| leaves(peer) || unread(name, peer))
            && !self.seeded.makes(Mistake::LeaveOpposite)
    }

    /// The epoch after the mesh's, if there is one.
    pub(super) fn next_epoch(&self) -> Option<Epoch> {
        self.record.mesh.next()
    }

    /// The plane that stands ready.
    #[must_use]
    pub fn idle_plane(&self) -> Plane {
        self.record.mesh.plane().other()
    }
}
