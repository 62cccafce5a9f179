//! Pairs of nodes: which plane they ought to use, and how they come to use it.

use super::Mistake;
use super::action::Action;
use super::published::{NodeName, Word};
use super::state::{Peer, State};
use crate::epoch::Epoch;
use crate::key::PublicKey;
use crate::plane::{PerPlane, Plane};

impl State {
    /// The epoch of both ends' keys on a plane, if it is one: else the plane carries nothing between the two.
    pub(super) fn common(&self, peer: &Peer, plane: Plane) -> Option<Epoch> {
        let (own, theirs) = (self.own(plane)?, peer.key(plane)?);
        (own.epoch == theirs.epoch).then_some(own.epoch)
    }

    /// The plane to send to a peer on: of those that neither end is leaving the one with the mesh's epoch, or the
    /// newest before it, or the next.
    pub(super) fn target(&self, name: &NodeName, peer: &Peer) -> Option<Plane> {
        let common = PerPlane::from_fn(|plane| self.common(peer, plane));
        let ours = |plane| self.record.leaving.get(plane).is_some();
        let theirs = |plane| peer.key(plane).is_some_and(|key| key.leaving);
        let rank = |plane: Plane| {
            let epoch = (*common.get(plane)).filter(|_| !ours(plane) && !theirs(plane))?;
            let ahead = epoch > self.record.mesh;
            Some((!ahead, if ahead { Epoch::MAX.get() - epoch.get() } else { epoch.get() }))
        };
        let best =
            Plane::ALL.into_iter().filter(|plane| rank(*plane).is_some()).max_by_key(|plane| rank(*plane));
        if best.is_some() {
            return best;
        }
        // Each leaves the plane that the other would go to: one must give way, and both must know which.
        if common.iter().all(|(_, epoch)| epoch.is_some()) && !self.seeded.makes(Mistake::NoTieBreak) {
            let ours_holds = self.me < *name;
            let left =
                Plane::ALL.into_iter().find(|plane| if ours_holds { ours(*plane) } else { theirs(*plane) });
            if let Some(left) = left {
                return Some(left.other());
            }
        }
        peer.sending.filter(|sending| common.get(*sending).is_some())
    }

    /// Brings everything about a peer to where it ought to be.
    pub(super) fn attend(&mut self, name: &NodeName, actions: &mut Vec<Action>) {
        let Some(mut peer) = self.peers.remove(name) else { return };
        if peer.published.is_some() {
            self.configure(name, &mut peer, actions);
            let target = self.target(name, &peer);
            let dead = peer.sending.is_none_or(|sending| self.common(&peer, sending).is_none());
            if dead || self.seeded.makes(Mistake::SwitchBeforeProbe) {
                route(name, &mut peer, target, actions);
            }
            self.unconfigure(name, &mut peer, actions);
            self.probe(name, &mut peer, target, actions);
        }
        self.peers.insert(name.clone(), peer);
        self.hold(name);
        self.tell_news(name, actions);
        if self.is_unfinished(name) {
            self.pending.insert(name.clone());
        } else {
            self.pending.remove(name);
        }
    }

    /// Whether anything about a peer may have to be repeated.
    fn is_unfinished(&self, name: &NodeName) -> bool {
        let Some(peer) = self.peers.get(name).filter(|peer| peer.published.is_some()) else { return false };
        let there = peer.proven && peer.sending == self.target(name, peer);
        let word = self.word_for(name);
        !there || word.is_none_or(|word| self.is_news(name, word))
    }

    /// [`State::attend`] to all.
    pub(super) fn attend_all(&mut self, actions: &mut Vec<Action>) {
        let names: Vec<NodeName> = self.peers.keys().cloned().collect();
        for name in &names {
            self.attend(name, actions);
        }
    }

    fn configure(&self, name: &NodeName, peer: &mut Peer, actions: &mut Vec<Action>) {
        for plane in Plane::ALL {
            let shared = self.common(peer, plane).is_some();
            let Some(key) = peer.key(plane).filter(|_| shared).map(|key| key.public) else { continue };
            if peer.configured.get_mut(plane).replace(key) != Some(key) {
                *peer.probing.get_mut(plane) = false;
                let peer = name.clone();
                actions.push(Action::ConfigurePeer { peer, plane, key, preshared: None });
            }
        }
    }

    fn unconfigure(&self, name: &NodeName, peer: &mut Peer, actions: &mut Vec<Action>) {
        for plane in Plane::ALL {
            if self.common(peer, plane).is_none() && peer.configured.get_mut(plane).take().is_some() {
                actions.push(Action::RemovePeer { peer: name.clone(), plane });
            }
        }
    }

    /// Probes the plane it should be on; as long as nothing was ever proven and that one does not answer, the other too.
    fn probe(&self, name: &NodeName, peer: &mut Peer, target: Option<Plane>, actions: &mut Vec<Action>) {
        for plane in Plane::ALL {
            let unproven = !peer.proven && (Some(plane) == target || peer.unanswered);
            let wanted = Some(plane) == target && Some(plane) != peer.sending;
            let (Some(own), Some(theirs)) = (self.own(plane), *peer.configured.get(plane)) else { continue };
            if (unproven || wanted) && !std::mem::replace(peer.probing.get_mut(plane), true) {
                let peer = name.clone();
                actions.push(Action::Probe { peer, plane, ours: own.public, theirs });
            }
        }
    }

    pub(super) fn probe_answered(
        &mut self,
        name: &NodeName,
        plane: Plane,
        (ours, theirs): (PublicKey, PublicKey),
        actions: &mut Vec<Action>,
    ) {
        let own = self.own(plane).map(|key| key.public);
        let Some(peer) = self.peers.get(name) else { return };
        if own != Some(ours) || *peer.configured.get(plane) != Some(theirs) {
            return;
        }
        let target = self.target(name, peer);
        let Some(peer) = self.peers.get_mut(name) else { return };
        *peer.probing.get_mut(plane) = false;
        if target == Some(plane) {
            route(name, peer, target, actions);
            peer.proven = true;
            peer.unanswered = false;
        } else if !peer.proven && peer.unanswered {
            // Nobody was promised anything yet: better this plane than none.
            route(name, peer, Some(plane), actions);
        }
        self.attend(name, actions);
    }

    pub(super) fn probe_unanswered(&mut self, name: &NodeName, plane: Plane) {
        let Some(peer) = self.peers.get(name) else { return };
        let wanted = self.target(name, peer) == Some(plane);
        let Some(peer) = self.peers.get_mut(name) else { return };
        *peer.probing.get_mut(plane) = false;
        peer.unanswered |= wanted && !peer.proven;
    }

    /// What we can tell a peer now; also the answer to its own word. `None` while we have yet to move.
    #[must_use]
    pub fn word_for(&self, name: &NodeName) -> Option<Word> {
        let peer = self.peers.get(name)?;
        let on = peer.sending.filter(|on| peer.proven && self.target(name, peer) == Some(*on))?;
        let seen = peer.published.as_ref()?.serial;
        Some(Word { on, epoch: self.own(on)?.epoch, mesh: self.record.mesh, seen })
    }

    pub(super) fn word(&mut self, from: &NodeName, word: Word) {
        let counts = PerPlane::from_fn(|plane| self.counts(word, plane));
        let Some(peer) = self.peers.get_mut(from) else { return };
        for plane in Plane::ALL {
            *peer.off.get_mut(plane) |= *counts.get(plane);
        }
        self.hold(from);
    }

    /// Whether a word promises never to use our present key on a plane again.
    ///
    /// Its sender is on the other plane, with a key of ours that we are not leaving and have not replaced since: from
    /// there it only moves on to newer keys. So the promise holds if the mesh has moved on from this key as far as the
    /// sender knows; or if the sender knows that we are leaving it.
    fn counts(&self, word: Word, plane: Plane) -> bool {
        if self.seeded.makes(Mistake::IgnoreWords) {
            return false;
        }
        if self.seeded.makes(Mistake::AnyWordCounts) {
            return true;
        }
        let Some(own) = self.own(plane) else { return false };
        let stays =
            self.record.leaving.get(word.on).is_none() && word.seen >= *self.record.since.get(word.on);
        let stays = stays || self.seeded.makes(Mistake::OldWordsCount);
        let superseded = stays && own.epoch < word.epoch && word.epoch <= word.mesh;
        let left = self.record.leaving.get(plane).is_some_and(|since| word.seen >= since);
        word.on == plane.other() && (superseded || left)
    }

    /// Tells a peer what it has not been told.
    fn tell_news(&self, name: &NodeName, actions: &mut Vec<Action>) {
        if let Some(word) = self.word_for(name).filter(|word| self.is_news(name, *word)) {
            actions.push(Action::Tell { peer: name.clone(), word });
        }
    }

    /// Whether a word says more than the last that reached the peer; of serials only as far as they matter to it.
    fn is_news(&self, name: &NodeName, word: Word) -> bool {
        let Some(told) = self.peers.get(name).and_then(|peer| peer.told) else { return true };
        (told.on, told.mesh) != (word.on, word.mesh) || (told != word && self.is_leaving(name))
    }

    fn is_leaving(&self, name: &NodeName) -> bool {
        let peer = self.peers.get(name);
        Plane::ALL
            .into_iter()
            .any(|plane| peer.and_then(|peer| peer.key(plane)).is_some_and(|key| key.leaving))
    }

    /// Repeats what was not answered: probes, and words to those who do not know them or whose own is lacking.
    pub(super) fn ask_again(&mut self, actions: &mut Vec<Action>) {
        let due = Plane::ALL.into_iter().filter(|plane| self.is_due(*plane));
        let mut names = self.pending.clone();
        names.extend(due.flat_map(|plane| self.holding.get(plane)).cloned());
        for name in &names {
            let before = actions.len();
            self.attend(name, actions);
            let told = actions[before..].iter().any(|action| matches!(action, Action::Tell { .. }));
            let lacking = Plane::ALL
                .into_iter()
                .any(|plane| self.is_due(plane) && self.holding.get(plane).contains(name));
            if !told
                && lacking
                && let Some(word) = self.word_for(name)
            {
                actions.push(Action::Tell { peer: name.clone(), word });
            }
        }
    }
}

/// Sends what goes to a peer over a plane, or nowhere.
pub(super) fn route(name: &NodeName, peer: &mut Peer, plane: Option<Plane>, actions: &mut Vec<Action>) {
    if peer.sending == plane {
        return;
    }
    peer.sending = plane;
    peer.proven = false;
    actions.push(match plane {
        Some(plane) => Action::ReplaceRoute { peer: name.clone(), plane },
        None => Action::RemoveRoute { peer: name.clone() },
    });
}
