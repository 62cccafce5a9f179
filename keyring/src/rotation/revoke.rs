//! Revocation: a node that is not trusted any more is dropped from all planes at once, whatever keys it shows and whatever Node
//! object bears its name, until it is admitted again. An object made anew that is admitted does not bring its old keys back.

use std::collections::BTreeSet;

use super::action::{Action, Report};
use super::moment::Moment;
use super::published::{NodeName, NodeUid};
use super::record::Judgement;
use super::state::{Peer, State};
use crate::key::PublicKey;

impl State {
    pub(super) fn judged(
        &mut self,
        now: Moment,
        (node, uid): (&NodeName, &NodeUid),
        (number, revoked): (u64, bool),
        shown: &BTreeSet<PublicKey>,
        actions: &mut Vec<Action>,
    ) {
        let before = self.record.judged.get(uid);
        if before.is_some_and(|before| before.number >= number) {
            return;
        }
        let mut keys = before.map(|before| before.keys.clone()).unwrap_or_default();
        let known = self.record.peers.get(node).filter(|known| known.uid == *uid);
        keys.extend(known.into_iter().flat_map(|known| known.keys.iter().copied()));
        // What it published is its own word, so it cannot have another's key revoked by it.
        let own = |key: &&PublicKey| {
            self.record.keys.iter().any(|(_, own)| own.is_some_and(|own| own.public == **key))
        };
        let others = |key: &&PublicKey| self.owners.get(*key).is_some_and(|owner| owner != node);
        keys.extend(shown.iter().filter(|key| !own(key) && !others(key)).copied());
        // It is said of the name: whoever bears it now.
        let member = self.peers.get(node).map(|peer| peer.uid.clone());
        let is_out = |state: &State| member.as_ref().is_some_and(|uid| state.record.is_revoked(node, uid));
        let was_out = is_out(self);
        self.record.judged.insert(uid.clone(), Judgement { node: node.clone(), number, revoked, keys });
        self.unsaved = true;
        match (was_out, is_out(self), member) {
            (_, true, _) => self.detach(node, actions),
            (true, false, Some(uid)) => {
                // Everything about it starts anew, with its publication, which is to be read again.
                self.peers.insert(node.clone(), Peer::new(uid, now));
                self.hold(node);
            }
            _ => {}
        }
        let report = if revoked { Report::Revoked } else { Report::Admitted };
        actions.push(Action::Report(report(node.clone())));
    }
}
