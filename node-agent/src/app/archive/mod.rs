//! What was known last, on disk: what a node starts from that was booted while the API server is away.
//!
//! Not while the kernel still holds what an agent of the same boot put there: that is newer. And not everything: pods of
//! other nodes are left out, for their addresses may have others by now. What is left out is denied where somebody is
//! isolated, never allowed by former labels.

mod file;
#[cfg(test)]
mod tests;

pub(super) use file::Archive;

use super::index::Known;
use crate::watch::kube::Fallback;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long the API server is waited for: longer than it takes to come back from a restart.
const AFTER: Duration = Duration::from_secs(20);
/// What is new is written so long after it was heard of, and whatever else came meanwhile with it.
const PAUSE: Duration = Duration::from_secs(30);

impl Archive {
    /// What to start from, if the API server is not heard of.
    pub(super) fn fallback(&self) -> Option<Fallback> {
        match self.read() {
            Ok(objects) => objects.map(|objects| Fallback { objects, after: AFTER }),
            Err(error) => {
                tracing::warn!(%error, "what was known last is lost");
                None
            }
        }
    }

    /// Writes what is known whenever it has changed, until `stop`, and once more then.
    ///
    /// # Errors
    /// None: a file that cannot be written is logged.
    pub(super) async fn keep(
        self,
        mut known: watch::Receiver<Known>,
        stop: CancellationToken,
    ) -> Result<(), Infallible> {
        let archive = Arc::new(self);
        let mut written = 0;
        loop {
            let stopping = tokio::select! {
                () = stop.cancelled() => true,
                // The index has ended: the agent stops.
                changed = known.changed() => changed.is_err(),
            };
            if !stopping {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
            let snapshot = known.borrow_and_update().snapshot.clone();
            if let Some(snapshot) = snapshot.filter(|snapshot| snapshot.revision != written) {
                written = snapshot.revision;
                let archive = archive.clone();
                let done = tokio::task::spawn_blocking(move || archive.write(&snapshot)).await;
                match done {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "what is known is not kept for a reboot"),
                    Err(error) => tracing::warn!(%error, "what is known is not kept for a reboot"),
                }
            }
            if stopping || stop.is_cancelled() {
                stop.cancelled().await;
                return Ok(());
            }
        }
    }
}
