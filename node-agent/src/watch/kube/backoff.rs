//! How long to wait after something failed.
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// After the first failure.
const FIRST: Duration = Duration::from_millis(250);
/// At most.
const LAST: Duration = Duration::from_secs(30);

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Something succeeded.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Something failed: how long to wait before it is tried again.
    pub(super) fn failed(&mut self) -> Duration {
        let delay = FIRST.saturating_mul(1 << self.failures.min(16)).min(LAST);
        self.failures = self.failures.saturating_add(1);
        spread(delay)
    }
}

/// From half of it to all of it, at random: a thousand agents lose an API server at the same moment.
pub(super) fn spread(span: Duration) -> Duration {
    // Every RandomState hashes differently; nothing here is worth a generator.
    let share = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
    span.mul_f64(0.5 + share / 2.0)
}
