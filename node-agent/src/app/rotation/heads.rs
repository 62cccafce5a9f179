//! How often the end of a peer's audit log is noted. Each note is a line that is synced, and pushes older ones out of our own log
//! in the end; and whoever has a node's identity publishes what it likes, as often as it likes.
use ringfence_keyring::audit::Head;
use ringfence_keyring::rotation::Moment;
use std::time::Duration;

/// So many may come at once: those of a rotation are three at most.
const BURST: u32 = 16;
/// And then one in so long.
const EVERY: Duration = Duration::from_secs(300);

/// What was noted of one peer.
#[derive(Debug, Default)]
pub(super) struct Noted {
    last: Option<Head>,
    /// How many more may be noted now, less than [`BURST`] by so many.
    spent: u32,
    /// Since when the next one is earned.
    since: Moment,
}

impl Noted {
    /// Whether this one is news and is to be noted now; then it is the last. One that is put off comes later, or one after it.
    pub(super) fn admits(&mut self, now: Moment, head: &Head) -> bool {
        if self.last.as_ref() == Some(head) {
            return false;
        }
        let earned = u32::try_from(now.since(self.since).as_secs() / EVERY.as_secs()).unwrap_or(u32::MAX);
        if earned >= self.spent {
            (self.spent, self.since) = (0, now);
        } else if earned > 0 {
            (self.spent, self.since) = (self.spent - earned, self.since.after(EVERY * earned));
        }
        if self.spent >= BURST {
            return false;
        }
        self.spent += 1;
        self.last = Some(head.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_publishes_another_end_of_its_log_every_second_is_noted_some_times_and_then_every_five_minutes()
     {
        let head = |number: u64| Head { number, hash: "0".repeat(64) };
        let (mut noted, start) = (Noted::default(), Moment(1_000_000));
        let day = 24 * 3600;
        let count =
            (0..day).filter(|second| noted.admits(start.after(Duration::from_secs(*second)), &head(*second)));
        let count = count.count() as u64;
        let most = u64::from(BURST) + day / EVERY.as_secs();
        assert!((most - 1..=most).contains(&count), "{count}");
        let (mut noted, later) = (Noted::default(), start.after(EVERY));
        assert!(noted.admits(start, &head(1)) && !noted.admits(later, &head(1)), "the same is no news");
        assert!((2..=u64::from(BURST)).all(|number| noted.admits(start, &head(number))));
        assert!(!noted.admits(start, &head(99)) && noted.admits(later, &head(99)), "put off, not lost");
    }
}
