//! The supervisor.
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// Whatever a task fails with.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the tasks as a whole failed.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// A task returned although nobody had asked it to.
    #[error("task {name} ended, which it never should")]
    Ended {
        /// Its name.
        name: &'static str,
    },
    /// A task failed.
    #[error("task {name} failed: {source}")]
    Failed {
        /// Its name.
        name: &'static str,
        /// Why.
        source: Cause,
    },
    /// A task panicked: a bug.
    #[error("task {name} panicked: {message}")]
    Panicked {
        /// Its name.
        name: &'static str,
        /// The panic's message.
        message: String,
    },
    /// Tasks did not stop in time.
    #[error("asked to stop, but after {} s these tasks still ran: {names:?}", deadline.as_secs())]
    Deadline {
        /// How long was waited.
        deadline: Duration,
        /// Which.
        names: Vec<&'static str>,
    },
}

/// A set of tasks that live and end together.
#[derive(Debug, Default)]
pub struct Tasks {
    set: JoinSet<Result<(), Cause>>,
    names: HashMap<Id, &'static str>,
    stop: CancellationToken,
}

impl Tasks {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the tasks are to stop. Each gets a clone and returns soon after.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task.
    pub fn spawn<F, E>(&mut self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Cause>,
    {
        let handle = self.set.spawn(async move { task.await.map_err(Into::into) });
        self.names.insert(handle.id(), name);
    }

    /// Runs until `asked` is done, or until a task ends by itself; then asks all to stop and waits up to `deadline`.
    ///
    /// # Errors
    /// [`TaskError`], the first one that happened.
    pub async fn run(mut self, asked: impl Future<Output = ()>, deadline: Duration) -> Result<(), TaskError> {
        let first = tokio::select! {
            // Both are cancel-safe: what `asked` waits for does not matter any more once a task has ended, and
            // join_next_with_id loses no task by its documentation.
            () = asked => None,
            Some(ended) = self.set.join_next_with_id() => Some(self.error(ended, false)),
        };
        self.stop.cancel();
        let mut failure = first.flatten();
        let drained = tokio::time::timeout(deadline, async {
            while let Some(ended) = self.set.join_next_with_id().await {
                let error = self.error(ended, true);
                failure = failure.take().or(error);
            }
        });
        if drained.await.is_err() {
            let names: Vec<_> = self.names.values().copied().collect();
            failure = failure.or(Some(TaskError::Deadline { deadline, names }));
            self.set.abort_all();
        }
        failure.map_or(Ok(()), Err)
    }

    /// What is wrong with a task having ended this way; nothing, if it returned after it was asked to.
    fn error(
        &mut self,
        ended: Result<(Id, Result<(), Cause>), JoinError>,
        was_asked: bool,
    ) -> Option<TaskError> {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let name = self.names.remove(&id).unwrap_or("unnamed");
        match ended {
            Ok((_, Ok(()))) if was_asked => None,
            Ok((_, Ok(()))) => Some(TaskError::Ended { name }),
            Ok((_, Err(source))) => Some(TaskError::Failed { name, source }),
            Err(e) => Some(TaskError::Panicked { name, message: e.to_string() }),
        }
    }
}
