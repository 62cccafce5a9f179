//! How often things are tried: rounds that notifications of the kernel ask for, and a mesh that fails. Without it, a mesh
//! that can never stand (no `/dev/net/tun`, a port in use) would be tried for ever and at once, because every attempt
//! makes and removes devices, of which the kernel notifies. The caller says what time it is.
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;
use tokio::time::Instant;

/// Notifications may cause so many rounds at once...
const ROUNDS: u32 = 20;
/// ...and one more whenever this has passed.
const ROUND_EVERY: Duration = Duration::from_millis(200);
/// A mesh that fails is tried again after this, then after twice as long, and so on...
const FIRST: Duration = Duration::from_millis(100);
/// ...but no later than after this.
const LAST: Duration = Duration::from_secs(5);
/// What the kernel says so soon after a failed attempt, the attempt has caused.
const DUST: Duration = Duration::from_millis(100);
/// Changes may cause so many attempts out of turn at once...
const EARLY: u32 = 4;
/// ...and one more whenever this has passed.
const EARLY_EVERY: Duration = Duration::from_secs(1);

/// Whatever may happen so often at once, and again whenever some time has passed.
#[derive(Debug)]
struct Allowance {
    left: u32,
    most: u32,
    every: Duration,
    since: Instant,
}

impl Allowance {
    fn new(most: u32, every: Duration, now: Instant) -> Self {
        Self { left: most, most, every, since: now }
    }

    fn refill(&mut self, now: Instant) {
        while self.left < self.most && self.since + self.every <= now {
            self.left += 1;
            self.since += self.every;
        }
        if self.left == self.most {
            self.since = now;
        }
    }

    fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let any = self.left > 0;
        self.left -= u32::from(any);
        any
    }
}

/// A mesh that does not stand.
#[derive(Clone, Copy, Debug)]
struct Failing {
    attempts: u32,
    since: Instant,
    again: Instant,
}

/// When what is due.
#[derive(Debug)]
pub(super) struct Pace {
    rounds: Allowance,
    early: Allowance,
    failing: Option<Failing>,
    /// Revision of the snapshot that was tried last.
    tried: u64,
    /// Something in the kernel changed since.
    stirred: bool,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        let (rounds, early) =
            (Allowance::new(ROUNDS, ROUND_EVERY, now), Allowance::new(EARLY, EARLY_EVERY, now));
        Self { rounds, early, failing: None, tried: 0, stirred: false }
    }

    /// From when on notifications may cause a round; `None`: now.
    pub(super) fn deaf_until(&mut self, now: Instant) -> Option<Instant> {
        self.rounds.refill(now);
        (self.rounds.left == 0).then(|| self.rounds.since + self.rounds.every)
    }

    /// A notification of the kernel came, and causes a round.
    pub(super) fn hear(&mut self, now: Instant) {
        self.rounds.take(now);
        self.stirred |= self.failing.is_none_or(|failing| now >= failing.since + DUST);
    }

    /// Whether the mesh is to be tried in this round: it always is while it stands. If it failed, it is when its time has
    /// come, and at once when the snapshot or something in the kernel has changed; that, too, not any number of times.
    pub(super) fn tries_mesh(&mut self, revision: u64, now: Instant) -> bool {
        let Some(failing) = self.failing else { return true };
        now >= failing.again || ((self.stirred || revision != self.tried) && self.early.take(now))
    }

    /// The mesh was tried. `share` from 0 to 1, at random, lest many nodes with one trouble move in step.
    pub(super) fn tried_mesh(&mut self, revision: u64, stands: bool, now: Instant, share: f64) {
        (self.tried, self.stirred) = (revision, false);
        self.failing = (!stands).then(|| {
            let before = self.failing.map_or(0, |failing| failing.attempts);
            let delay = FIRST.saturating_mul(1 << before.min(16)).min(LAST);
            let again = now + delay.mul_f64(0.5 + share.clamp(0.0, 1.0) / 2.0);
            Failing { attempts: before.saturating_add(1), since: now, again }
        });
    }

    /// When a mesh that failed is to be tried again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.failing.map(|failing| failing.again)
    }

    /// Of a mesh that fails: how often it was tried in a row, and how long from now until it is tried again if nothing
    /// changes.
    pub(super) fn failing(&self, now: Instant) -> Option<(u32, Duration)> {
        self.failing.map(|failing| (failing.attempts, failing.again.saturating_duration_since(now)))
    }
}

/// A number from 0 to 1 that another node does not have.
pub(super) fn share() -> f64 {
    // Every RandomState hashes differently; nothing here is worth a generator.
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}
