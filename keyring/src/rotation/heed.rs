//! Peers that saw newer publications of this node than it knows of: its disk and its object were restored together from a
//! backup, which it cannot know itself; or they lie.
//!
//! A restore happens while the agent is stopped. Since its start it knows every serial that it used, so whoever is right is
//! right once, about the time before; and whoever has seen this node publish has seen what the others have. So:
//!
//! - both keys are made anew, which cuts this node's traffic for a moment, only if *most* of the peers that are heard say so
//!   (those heard on neither plane for [`SILENCE`] are not: with nobody heard there is nothing to cut), and only once;
//! - nobody is believed before all that was there at the start has been read, and whose publication was taken in before it
//!   counts as heard though it cannot be read: at the start whoever is read first would else be most of them;
//! - each peer is believed once between two starts;
//! - where most do not say so, or the keys are new already, the node publishes again under a number beyond what was named,
//!   with the keys it has: else those who are right would never read it again.

use super::action::{Action, Remake, Report};
use super::moment::{Moment, SILENCE};
use super::published::NodeName;
use super::state::{Peer, State};

/// A serial that grows by more than this at once is nobody's honest one.
const MAX_LEAP: u64 = 1 << 20;

impl State {
    pub(super) fn heed(&mut self, now: Moment, actions: &mut Vec<Action>) {
        // Who was read first would be most of those that were read.
        if self.record.remaking || !self.listed {
            return;
        }
        let claims = self.claims();
        let Some(seen) = claims.iter().map(|(_, seen)| *seen).max() else {
            self.claimed_since = None;
            return;
        };
        let since = *self.claimed_since.get_or_insert(now);
        let heard = self.peers.iter().filter(|(name, peer)| {
            let says = claims.iter().any(|(by, _)| by == *name);
            says || self.has_seen_us(name, peer) && now.since(peer.heard) < SILENCE
        });
        let most = 2 * claims.len() > heard.count();
        let anew = most && !self.renewed;
        if !anew && !self.renewed && now.since(since) < SILENCE {
            return;
        }
        self.claimed_since = None;
        self.heeded.extend(claims.iter().map(|(by, _)| by.clone()));
        self.record.serial = seen;
        if anew {
            self.remake(Remake::PeersSawNewer, actions);
            return;
        }
        if !self.renewed {
            let by = claims.into_iter().map(|(by, _)| by).collect();
            actions.push(Action::Report(Report::Doubted { by, seen }));
        }
        self.publish(actions);
    }

    /// Whether a peer's publication was ever taken in, now or before the start: if it cannot be read just now, it was not asked.
    fn has_seen_us(&self, name: &NodeName, peer: &Peer) -> bool {
        let before = self.record.peers.get(name).is_some_and(|known| known.serial > 0);
        peer.published.is_some() || before && !self.record.is_revoked(name, &peer.uid)
    }

    /// Who says so and was not believed yet, and the serial named.
    fn claims(&self) -> Vec<(NodeName, u64)> {
        let own = self.record.serial;
        let claim = |seen: &u64| *seen > own && seen - own <= MAX_LEAP;
        let of_peers = self.peers.iter().filter(|(name, _)| !self.heeded.contains(*name));
        let claims = of_peers.filter_map(|(name, peer)| {
            let seen = *peer.published.as_ref()?.outdated.get(&self.me).filter(|seen| claim(seen))?;
            Some((name.clone(), seen))
        });
        claims.collect()
    }
}
