//! Time as the protocol knows it: spans of one node's own monotonic clock. Clocks of different nodes are never compared.

use std::time::Duration;

/// A plane is retired so long after the last peer's word that it has left it: what was sent before has arrived by then.
pub const LINGER: Duration = Duration::from_secs(10);
/// Only a peer that was heard on neither plane for so long is given up.
pub const SILENCE: Duration = Duration::from_secs(180);
/// A publication that stays older than what was seen before for so long is called a restored one, not a late one.
pub const STALENESS: Duration = Duration::from_secs(60);
/// A write to the API that nobody has confirmed for so long is tried again.
pub(super) const RETRY: Duration = Duration::from_secs(5);

/// Milliseconds since some instant of this node's own, by a clock that never goes back (`CLOCK_BOOTTIME`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub u64);

impl Moment {
    /// How long ago `earlier` was; zero if it was not.
    #[must_use]
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// So much later.
    #[must_use]
    pub fn after(self, span: Duration) -> Moment {
        Moment(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// So much earlier, at most to the clock's own beginning.
    #[must_use]
    pub fn before(self, span: Duration) -> Moment {
        Moment(self.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}
