//! What is read of nodes, and what of it is believed.

use std::sync::Arc;

use super::Mistake;
use super::action::{Action, Refusal, Remake, Report};
use super::moment::{Moment, STALENESS};
use super::published::{NodeName, NodeUid, Published};
use super::record::Known;
use super::state::{Peer, State};
use crate::key::PublicKey;
use crate::plane::PerPlane;

impl State {
    pub(super) fn joined(&mut self, now: Moment, node: NodeName, uid: NodeUid, actions: &mut Vec<Action>) {
        if node == self.me || self.peers.get(&node).is_some_and(|peer| peer.uid == uid) {
            return;
        }
        if let Some(old) = self.peers.get(&node).map(|peer| peer.uid.clone()) {
            self.left(&node, &old, actions);
        }
        self.record.peers.insert(node.clone(), Known::new(uid.clone()));
        self.unsaved = true;
        self.peers.insert(node, Peer::new(uid, now));
    }

    pub(super) fn left(&mut self, node: &NodeName, uid: &NodeUid, actions: &mut Vec<Action>) {
        if self.peers.get(node).is_none_or(|peer| peer.uid != *uid) {
            return;
        }
        self.detach(node, actions);
        self.peers.remove(node);
        self.pending.remove(node);
        if let Some(known) = self.record.peers.remove(node) {
            known.keys.iter().for_each(|key| drop(self.owners.remove(key)));
        }
        self.heeded.remove(node);
        self.outdated.remove(node);
        self.unsaved = true;
        self.hold(node);
    }

    /// Takes a peer off the mesh, for good or until it is admitted.
    pub(super) fn detach(&mut self, node: &NodeName, actions: &mut Vec<Action>) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        let configured = std::mem::take(&mut peer.configured);
        for (plane, _) in configured.iter().filter(|(_, key)| key.is_some()) {
            actions.push(Action::RemovePeer { peer: node.clone(), plane });
        }
        if peer.sending.take().is_some() {
            actions.push(Action::RemoveRoute { peer: node.clone() });
        }
        (peer.published, peer.proven, peer.told) = (None, false, None);
        (peer.off, peer.probing) = (PerPlane::default(), PerPlane::default());
        self.hold(node);
    }

    pub(super) fn read(&mut self, now: Moment, published: Arc<Published>, actions: &mut Vec<Action>) {
        if published.node == self.me {
            self.read_own(&published, actions);
            return;
        }
        let node = published.node.clone();
        if let Err(why) = self.judge(now, &published, actions) {
            if let Some(why) = why {
                actions.push(Action::Report(Report::Refused { node, why }));
            }
            return;
        }
        if let Some(known) = self.record.peers.get_mut(&node) {
            let keys = published.keys().collect();
            if (known.serial, &known.keys) != (published.serial, &keys) {
                let before = std::mem::replace(&mut known.keys, keys);
                before.iter().for_each(|key| drop(self.owners.remove(key)));
                self.owners.extend(published.keys().map(|key| (key, node.clone())));
                known.serial = published.serial;
                self.unsaved = true;
            }
        }
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.published = Some(published);
            peer.stale_since = None;
        }
        if self.outdated.remove(&node).is_some() {
            self.publish(actions);
        }
        self.attend(&node, actions);
        self.heed(now, actions);
    }

    /// Whether a publication is news that may be believed. `Err(None)`: it is known already.
    fn judge(
        &mut self,
        now: Moment,
        published: &Published,
        actions: &mut Vec<Action>,
    ) -> Result<(), Option<Refusal>> {
        let uid = &published.uid;
        if self.record.is_revoked(&published.node, uid) {
            return Err(Some(Refusal::Revoked { uid: uid.to_string() }));
        }
        let known = self.record.peers.get(&published.node).filter(|known| known.uid == *uid).cloned();
        let (Some(known), Some(peer)) = (known, self.peers.get_mut(&published.node)) else {
            return Err(Some(Refusal::NotAMember { uid: uid.to_string() }));
        };
        let serial = published.serial;
        if serial < known.serial && !self.seeded.makes(Mistake::OldPublication) {
            // Read again after so long, and nothing newer meanwhile: that is no late event, but what the API holds.
            let stale = now.since(*peer.stale_since.get_or_insert(now)) >= STALENESS;
            if stale && self.outdated.insert(published.node.clone(), known.serial).is_none() {
                self.publish(actions);
            }
            return Err(Some(Refusal::Old { serial, seen: known.serial }));
        }
        match &peer.published {
            Some(before) if **before == *published => return Err(None),
            // Agents that could not rotate yet count nothing.
            Some(before) if before.serial == serial && serial != 0 => {
                return Err(Some(Refusal::Contradiction { serial }));
            }
            _ => {}
        }
        let newest = published.planes.iter().map(|(_, key)| key.epoch).max().unwrap_or_default();
        if !self.is_believable(newest) {
            return Err(Some(Refusal::Leap { epoch: newest, known: self.record.mesh }));
        }
        self.foreign_key(published).map_or(Ok(()), |refusal| Err(Some(refusal)))
    }

    /// A key that somebody else had first, or that was revoked with its node.
    fn foreign_key(&self, published: &Published) -> Option<Refusal> {
        let foreign = |key: PublicKey| {
            let fingerprint = key.fingerprint();
            let owner = if self.record.keys.iter().any(|(_, own)| own.is_some_and(|own| own.public == key)) {
                Some(&self.me)
            } else {
                self.owners.get(&key).filter(|owner| **owner != published.node)
            };
            if let Some(owner) = owner {
                return Some(Refusal::ForeignKey { fingerprint, owner: owner.to_string() });
            }
            let mut revoked = self.record.judged.values().filter(|judgement| judgement.revoked);
            let owner = revoked.find(|judgement| judgement.keys.contains(&key))?.node.to_string();
            Some(Refusal::RevokedKey { fingerprint, owner })
        };
        published.keys().find_map(foreign)
    }

    /// Our own object: what is there must be what we wrote last.
    fn read_own(&mut self, published: &Published, actions: &mut Vec<Action>) {
        if published.uid != self.record.node_uid {
            return;
        }
        let ours = self.published();
        let same = ours.as_deref() == Some(published);
        if same {
            self.acknowledged = self.acknowledged.max(published.serial);
        } else if published.serial < self.record.serial {
            // Restored from a backup, or an old event: what we have is newer.
            actions.extend(ours.map(Action::Publish));
        } else if !self.record.remaking && !self.seeded.makes(Mistake::UseOldDisk) {
            self.record.serial = published.serial;
            self.remake(Remake::DiskIsOld, actions);
        }
    }
}
