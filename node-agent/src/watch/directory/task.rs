//! The task that follows a directory.
use super::pace::{Pace, Which};
use super::source::Source;
use crate::watch::{Batch, Update};
use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// The directory is looked over this often whatever was heard of it: inotify loses events when its queue is full, and
/// says nothing of file systems that others write to.
const LOOK_OVER: Duration = Duration::from_secs(5);
/// The same while it cannot be watched (it is not there, or there are no watches left).
const POLL: Duration = Duration::from_millis(500);

/// Events that may wait to be noted. If there are more, everything is read.
const WAITING: usize = 4096;

/// So long it may take to hear that a file was opened for writing while it was read.
const HEARSAY: Duration = Duration::from_millis(1);

/// The task could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// Reading a directory ended in a panic, which is a mistake in the program.
    #[error("reading {}: {source}", directory.display())]
    Broken {
        /// The directory.
        directory: std::path::PathBuf,
        /// What the runtime says of it.
        source: tokio::task::JoinError,
    },
}

/// Follows a directory until `stop`, or until nobody receives. Every batch is sent whole; the first that has objects
/// ends with `Synced` for every kind. A directory that is not there or cannot be read is a problem, not an error: it
/// may be mended.
///
/// # Errors
/// [`TaskError`] if reading panicked.
pub async fn follow(
    source: Source,
    updates: mpsc::Sender<Batch>,
    stop: CancellationToken,
) -> Result<(), TaskError> {
    let directory = source.directory().to_owned();
    let broken = |source| TaskError::Broken { directory: directory.clone(), source };
    let (heard, mut events) = mpsc::channel(WAITING);
    let heard = Ear { heard, deaf: Arc::default() };
    let mut state = (source, None::<Watch>);
    let mut pace = Pace::default();
    let mut told = None;
    loop {
        // With a writer that never ends, what it has written so far must do.
        let impatient = pace.is_writing();
        let which = pace.take();
        let ear = heard.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let (mut source, watch) = state;
            // Watched before it is read: what changes from now on will be heard.
            let (watch, is_new) = Watch::renewed(watch, source.directory(), ear);
            let reading = match which {
                Which::These(changed) if !is_new => source.read_changed(&changed),
                Which::These(changed) | Which::All(changed) => source.read_all(&changed),
            };
            ((source, watch), reading)
        });
        let read;
        (state, read) = reading.await.map_err(broken)?;
        tokio::time::sleep(HEARSAY).await;
        while let Ok(event) = events.try_recv() {
            pace.note(&event, Instant::now());
        }
        pace.missed(heard.has_missed(), Instant::now());
        let half_written = pace.is_writing() && !impatient;
        let batch = if half_written {
            state.0.discard();
            Batch::new()
        } else {
            let mut batch = state.0.take_over(read);
            let version = state.0.version().filter(|version| told != Some(*version));
            told = version.or(told);
            batch.extend(version.map(Update::Version));
            batch
        };
        if !batch.is_empty() {
            debug!(directory = %directory.display(), updates = batch.len(), "the directory changed");
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                sent = updates.send(batch) => if sent.is_err() { return Ok(()) },
            }
        }
        let over = Instant::now() + if state.1.is_some() { LOOK_OVER } else { POLL };
        loop {
            let until = pace.due().unwrap_or(over);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(event) = events.recv() => {
                    pace.note(&event, Instant::now());
                    pace.missed(heard.has_missed(), Instant::now());
                }
                () = tokio::time::sleep_until(until.into()) => break,
            }
        }
    }
}

/// Where events are put, from a thread of its own.
#[derive(Clone)]
struct Ear {
    heard: mpsc::Sender<Event>,
    deaf: Arc<AtomicBool>,
}

impl Ear {
    fn hear(&self, event: Event) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.heard.try_send(event) {
            self.deaf.store(true, Ordering::Relaxed);
        }
        // Closed: nobody listens any more, the task is over.
    }

    /// Whether events were lost since this was last asked.
    fn has_missed(&self) -> bool {
        self.deaf.swap(false, Ordering::Relaxed)
    }
}

/// An inotify watch of a directory, and of which one it is: another may come to have its name.
struct Watch {
    _watcher: RecommendedWatcher,
    identity: (u64, u64),
}

impl Watch {
    /// The watch there is, or another if the directory is no longer the same, and whether it is another; `None` if
    /// there can be none now.
    fn renewed(old: Option<Self>, directory: &Path, heard: Ear) -> (Option<Self>, bool) {
        let Ok(metadata) = std::fs::metadata(directory) else { return (None, true) };
        let identity = (metadata.dev(), metadata.ino());
        match old.filter(|old| old.identity == identity) {
            Some(old) => (Some(old), false),
            None => (Self::of(directory, identity, heard), true),
        }
    }

    fn of(directory: &Path, identity: (u64, u64), heard: Ear) -> Option<Self> {
        let handler = move |event: notify::Result<Event>| match event {
            Ok(event) => heard.hear(event),
            Err(error) => warn!(%error, "watching the directory"),
        };
        let config = Config::default().with_follow_symlinks(false);
        let watcher = RecommendedWatcher::new(handler, config).and_then(|mut watcher| {
            watcher.watch(directory, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        match watcher {
            Ok(watcher) => Some(Self { _watcher: watcher, identity }),
            Err(error) => {
                warn!(directory = %directory.display(), %error, "cannot watch it, so it is polled");
                None
            }
        }
    }
}
