//! Peers that saw newer publications of this node than it knows of: its disk and its object were restored together from a
//! backup, which it cannot know itself; or they lie.
//!
//! A restore happens while the agent is stopped. Since its start it knows every serial that it used, so whoever is right is
//! right once, about the time before; and whoever has seen this node publish has seen what the others have. So:
//!
//! - both keys are made anew, which cuts this node's traffic for a moment, only if *most* of the peers that are heard say so
//!   (those heard on neither plane for [`SILENCE`] are not: with nobody heard there is nothing to cut), and only once;
//! - each peer is believed once between two starts;
//! - where most do not say so, or the keys are new already, the node publishes again under a number beyond what was named,
//!   with the keys it has: else those who are right would never read it again.

use super::action::{Action, Remake, Report};
use super::moment::{Moment, SILENCE};
use super::published::NodeName;
use super::state::State;

/// A serial that grows by more than this at once is nobody's honest one.
const MAX_LEAP: u64 = 1 << 20;

impl State {
    pub(super) fn heed(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.record.remaking {
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
            says || peer.published.is_some() && now.since(peer.heard) < SILENCE
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
