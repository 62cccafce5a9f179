//! Writes to something that may be slow, or away, by a task that must not wait: one at a time, each in a task of its own.
#[cfg(test)]
mod tests;

use super::pace::share;
use std::future::Future;
use std::time::Duration;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, timeout};

/// So long whoever writes waits himself: mostly it takes a hundredth of that.
const PATIENCE: Duration = Duration::from_millis(250);
/// After a first failure nothing is tried for so long, then twice as long each time.
const FIRST: Duration = Duration::from_millis(500);
/// At most.
const LAST: Duration = Duration::from_secs(30);

/// One thing that is written time and again, each time as a whole.
#[derive(Debug)]
pub(super) struct Desk<K, T, E> {
    patience: Duration,
    under_way: Option<(K, JoinHandle<Result<T, E>>)>,
    failures: u32,
    /// What went wrong last, and when it is to be tried again.
    failed: Option<(String, Instant)>,
}

/// Why something is not written, as far as is known.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeskError<E: std::error::Error> {
    /// It was refused.
    #[error(transparent)]
    Failed(E),
    /// It failed a short while ago.
    #[error("{0}")]
    Waiting(String),
    /// It is being written.
    #[error("it is being written; there is no answer yet")]
    UnderWay,
    /// The task that wrote it panicked.
    #[error("writing it ended in a panic: {0}")]
    Broken(JoinError),
}

impl<K, T, E> Default for Desk<K, T, E> {
    fn default() -> Self {
        Self { patience: PATIENCE, under_way: None, failures: 0, failed: None }
    }
}

impl<K, T, E> Desk<K, T, E> {
    /// One that is not waited for at all.
    pub(super) fn impatient() -> Self {
        Self { patience: Duration::ZERO, ..Self::default() }
    }
}

impl<K, T, E> Desk<K, T, E>
where
    K: PartialEq,
    T: Send + 'static,
    E: std::error::Error + Send + 'static,
{
    /// Writes `what` by `write`, unless something is being written. Whoever asks again for the same thing learns what came
    /// of it.
    ///
    /// # Errors
    /// [`DeskError`].
    pub(super) async fn write(
        &mut self,
        what: K,
        write: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, DeskError<E>> {
        if let Some((earlier, handle)) = self.under_way.take() {
            if !handle.is_finished() {
                self.under_way = Some((earlier, handle));
                return Err(DeskError::UnderWay);
            }
            let done = self.note(handle.await);
            if earlier == what || done.is_err() {
                return done;
            }
        }
        if let Some((why, again)) = &self.failed
            && Instant::now() < *again
        {
            return Err(DeskError::Waiting(why.clone()));
        }
        let mut handle = tokio::spawn(write);
        match timeout(self.patience, &mut handle).await {
            Ok(done) => self.note(done),
            Err(_) => {
                self.under_way = Some((what, handle));
                Err(DeskError::UnderWay)
            }
        }
    }

    fn note(&mut self, done: Result<Result<T, E>, JoinError>) -> Result<T, DeskError<E>> {
        let done = match done {
            Ok(written) => written.map_err(DeskError::Failed),
            Err(error) => Err(DeskError::Broken(error)),
        };
        match &done {
            Ok(_) => (self.failures, self.failed) = (0, None),
            Err(error) => {
                let delay = FIRST.saturating_mul(1 << self.failures.min(16)).min(LAST);
                self.failures = self.failures.saturating_add(1);
                let again = Instant::now() + delay.mul_f64(0.5 + share() / 2.0);
                self.failed = Some((error.to_string(), again));
            }
        }
        done
    }
}
