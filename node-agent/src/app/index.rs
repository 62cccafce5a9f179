//! The task that owns the desired state.
use crate::desired::{Index, Snapshot};
use crate::model::Problem;
use crate::watch::{Batch, Kind};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// What is known of the cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// The world; `None` until every kind of object has synced.
    pub(super) snapshot: Option<Arc<Snapshot>>,
    /// What could not be taken as written, also while there is no snapshot.
    pub(super) problems: Arc<Vec<Problem>>,
    /// Kinds that have not synced.
    pub(super) waiting_for: Vec<Kind>,
}

/// Takes batches in and publishes what is known, until `stop`.
///
/// # Errors
/// None. A source that ends is a task that ends, which its supervisor sees.
pub(super) async fn run(
    mut batches: mpsc::Receiver<Batch>,
    known: watch::Sender<Known>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let mut index = Index::default();
    let mut told: BTreeSet<Problem> = BTreeSet::new();
    loop {
        let batch = tokio::select! {
            // Cancel-safe: a token stays cancelled.
            () = stop.cancelled() => return Ok(()),
            // Cancel-safe: a batch that was not returned stays in the channel.
            batch = batches.recv() => batch,
        };
        let Some(batch) = batch else {
            stop.cancelled().await;
            return Ok(());
        };
        let mut changed = index.apply_all(batch);
        // What has come meanwhile belongs to the next snapshot anyway.
        while let Ok(batch) = batches.try_recv() {
            changed |= index.apply_all(batch);
        }
        if changed {
            let problems = index.problems();
            for problem in problems.iter().filter(|problem| !told.contains(*problem)) {
                tracing::warn!(%problem, "taken more restrictively than written");
            }
            told = problems.iter().cloned().collect();
            known.send_replace(Known {
                snapshot: index.snapshot(),
                problems: Arc::new(problems),
                waiting_for: index.waiting_for(),
            });
        }
    }
}
