//! What was sent and what came back, by sequence number.
use crate::lab::respond;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How many missing messages are named.
const NAMED: usize = 100;

/// A line of output.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Milliseconds since the start.
    pub ms: u64,
    /// Messages sent. They are numbered from 1.
    pub sent: u64,
    /// Messages answered; of a listening stream: messages heard. One that came twice counts once.
    pub answered: u64,
    /// Milliseconds since the last answer.
    pub silent_ms: u64,
    /// When the last answer came, milliseconds since the Unix epoch; 0: there was none.
    #[serde(default)]
    pub last_unix_ms: u64,
    /// In the last line: which messages were not answered, the first hundred of them. Of a listening stream: gaps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<u64>,
    /// It broke: reset, refused, or something came back that was not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// This is the last line.
    #[serde(default)]
    pub done: bool,
}

/// What the protocols count in.
#[derive(Debug)]
pub(super) struct Tally {
    began: Instant,
    /// Nothing is sent that would be answered, what counts is what comes: as often as this.
    listening: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sent: u64,
    answered: u64,
    /// Everything up to here was answered, and of what is beyond these.
    upto: u64,
    beyond: BTreeSet<u64>,
    last: Option<(Instant, SystemTime)>,
}

impl Tally {
    pub(super) fn new(listening: Option<Duration>) -> Self {
        Self { began: Instant::now(), listening, state: Mutex::default() }
    }

    pub(super) fn listens(&self) -> bool {
        self.listening.is_some()
    }

    /// What to say: a message's number, or what asks the other side to talk.
    pub(super) fn message(&self, sequence: u64) -> String {
        self.listening.map_or_else(|| sequence.to_string(), respond::push_request)
    }

    /// Number of the next message.
    pub(super) fn next(&self) -> u64 {
        self.state().sent + 1
    }

    pub(super) fn sent(&self) {
        self.state().sent += 1;
    }

    pub(super) fn answered(&self, sequence: u64) {
        let mut state = self.state();
        state.last = Some((Instant::now(), SystemTime::now()));
        if sequence <= state.upto || !state.beyond.insert(sequence) {
            return;
        }
        state.answered += 1;
        while let Some(next) = state.upto.checked_add(1).filter(|next| state.beyond.contains(next)) {
            state.beyond.remove(&next);
            state.upto = next;
        }
    }

    /// Whether nothing is missing.
    pub(super) fn whole(&self) -> bool {
        self.missing().is_empty()
    }

    pub(super) fn missing(&self) -> Vec<u64> {
        let state = self.state();
        let end = if self.listens() { state.beyond.last().copied().unwrap_or(0) } else { state.sent };
        (state.upto + 1..=end).filter(|n| !state.beyond.contains(n)).take(NAMED).collect()
    }

    pub(super) fn counts(&self) -> Counts {
        let state = self.state();
        let since = state.last.map_or(self.began, |(at, _)| at).elapsed();
        let last = state.last.and_then(|(_, at)| at.duration_since(UNIX_EPOCH).ok());
        Counts {
            ms: ms(self.began.elapsed()),
            sent: state.sent,
            answered: state.answered,
            silent_ms: ms(since),
            last_unix_ms: last.map_or(0, ms),
            ..Counts::default()
        }
    }

    /// No code here panics with the lock held; if it did, the numbers would still be whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_answered_is_named_and_what_came_twice_counts_once() {
        let tally = Tally::new(None);
        (0..5).for_each(|_| tally.sent());
        [2, 1, 5, 2, 5].into_iter().for_each(|n| tally.answered(n));
        assert_eq!((tally.counts().answered, tally.missing()), (3, vec![3, 4]));
        [4, 3].into_iter().for_each(|n| tally.answered(n));
        assert!(tally.whole());
    }

    #[test]
    fn who_only_listens_misses_what_others_came_after() {
        let tally = Tally::new(Some(Duration::ZERO));
        tally.sent();
        [1, 2, 5].into_iter().for_each(|n| tally.answered(n));
        assert_eq!(tally.missing(), [3, 4]);
    }
}
