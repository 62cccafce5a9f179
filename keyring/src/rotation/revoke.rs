//! Revocation: a node that is not trusted any more is dropped from all planes at once, whatever keys it shows, until it
//! is admitted again.

use super::action::{Action, Report};
use super::moment::Moment;
use super::published::{NodeName, NodeUid};
use super::record::Judgement;
use super::state::{Peer, State};

impl State {
    pub(super) fn judged(
        &mut self,
        now: Moment,
        node: &NodeName,
        uid: &NodeUid,
        (number, revoked): (u64, bool),
        actions: &mut Vec<Action>,
    ) {
        let before = self.record.judged.get(uid);
        if before.is_some_and(|before| before.number >= number) {
            return;
        }
        let mut keys = before.map(|before| before.keys.clone()).unwrap_or_default();
        let peer = self.peers.get(node).filter(|peer| peer.uid == *uid);
        keys.extend(peer.and_then(|peer| peer.published.as_ref()).into_iter().flat_map(|seen| seen.keys()));
        self.record.judged.insert(uid.clone(), Judgement { node: node.clone(), number, revoked, keys });
        self.unsaved = true;
        let member = peer.is_some();
        if revoked {
            if member {
                self.detach(node, actions);
            }
            actions.push(Action::Report(Report::Revoked(node.clone())));
        } else {
            if member {
                // Everything about it starts anew, with its publication, which is to be read again.
                self.peers.insert(node.clone(), Peer::new(uid.clone(), now));
                self.hold(node);
            }
            actions.push(Action::Report(Report::Admitted(node.clone())));
        }
    }
}
