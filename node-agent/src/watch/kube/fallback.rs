//! What to start from while the API server has never been heard of.
use crate::watch::{Batch, Kind, Object, Update};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};

/// What was known once, by an agent before this one.
#[derive(Clone, PartialEq, Debug)]
pub struct Fallback {
    /// The objects.
    pub objects: Vec<Object>,
    /// How long the API server is waited for.
    pub after: Duration,
}

/// Whether anything has been heard of the API server. Lists begin after what was known once is said, or instead: in the
/// midst of a list it would make objects that are gone look as if they had been named.
#[derive(Debug, Default)]
pub(super) struct First(Mutex<bool>);

impl First {
    /// A first page has come. It may be said when this returns.
    pub(super) async fn heard(&self) {
        *self.0.lock().await = true;
    }

    /// Says what was known once, if nothing is heard in time: every kind, whole.
    pub(super) async fn or_else(&self, fallback: Option<Fallback>, updates: mpsc::Sender<Batch>) {
        let Some(Fallback { objects, after }) = fallback else { return };
        tokio::time::sleep(after).await;
        let heard = self.0.lock().await;
        if *heard {
            return;
        }
        tracing::warn!(
            objects = objects.len(),
            "no word of the API server: starting from what was known last"
        );
        let applied = |object| Update::Applied { object, origin: None, problems: Vec::new() };
        let batch = objects.into_iter().map(applied).chain(Kind::ALL.map(Update::Synced));
        // Nobody listens any more: the agent stops.
        let _ = updates.send(batch.collect()).await;
    }
}
