//! One kind, listed and then watched, for as long as anybody listens.
use super::backoff::{Backoff, spread};
use super::error::ApiError;
use super::event::{self, Event};
use super::fallback::First;
use super::health::{Closed, Health};
use super::lines::Lines;
use super::server::Server;
use crate::watch::{Batch, Kind, Update};
use futures::AsyncBufReadExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

/// A watch is ended by the server after so long, or up to half as long.
const WATCH: Duration = Duration::from_secs(290);
/// If the server has not ended it so long after, its connection is dead.
const OVERDUE: Duration = Duration::from_secs(30);
/// A watch that ends sooner was none: another is not begun at once.
const SHORT: Duration = Duration::from_secs(1);

/// Lists and watches one kind.
#[derive(Clone, Debug)]
pub(super) struct Reflector {
    pub(super) server: Server,
    pub(super) kind: Kind,
    pub(super) updates: mpsc::Sender<Batch>,
    pub(super) health: Arc<Health>,
    pub(super) first: Arc<First>,
}

/// Why something ended.
enum End {
    Closed,
    Failed(ApiError),
}

impl From<Closed> for End {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl From<ApiError> for End {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl Reflector {
    /// Runs until nobody listens any more.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::default();
        // From where the next watch goes on; none: everything is to be listed.
        let mut version = None;
        loop {
            let done = match &mut version {
                None => self.list().await.map(|listed| version = Some(listed)),
                Some(version) => self.watch(version, &mut backoff).await,
            };
            match done {
                Ok(()) => {}
                Err(End::Closed) => return,
                Err(End::Failed(error)) => {
                    tracing::debug!(kind = %self.kind, %error, "the API server");
                    if begins_anew(&error) {
                        version = None;
                    }
                    // That a watch has fallen behind is no trouble: everything is listed again, and nothing changes by that.
                    let trouble = if error.is_gone() { Ok(()) } else { Err(&error) };
                    if self.health.note(self.kind, trouble).await.is_err() {
                        return;
                    }
                    sleep(backoff.failed()).await;
                }
            }
        }
    }

    /// Lists everything, page by page; what was known and is not named any more is gone at the end. The version that the
    /// list is of.
    async fn list(&self) -> Result<String, End> {
        let (mut more, mut batch) = (None, vec![Update::Restarted(self.kind)]);
        loop {
            let page = self.server.list(self.kind, more.as_deref()).await?;
            self.first.heard().await;
            batch.extend(page.batch);
            if page.more.is_some() {
                self.send(std::mem::take(&mut batch)).await?;
                more = page.more;
                continue;
            }
            let version = page.version.ok_or(ApiError::NoVersion { kind: self.kind })?;
            batch.push(Update::Synced(self.kind));
            self.send(batch).await?;
            return Ok(version);
        }
    }

    /// Watches from `version` on, which moves on with what is heard, until the server ends it.
    async fn watch(&self, version: &mut String, backoff: &mut Backoff) -> Result<(), End> {
        let (begun, span) = (Instant::now(), spread(WATCH));
        let seconds = u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
        let mut stream = self.server.watch(self.kind, version, seconds).await?;
        self.health.note(self.kind, Ok(())).await?;
        let mut lines = Lines::default();
        let broken = |source| ApiError::Broken { operation: "watch", kind: self.kind, source };
        let late = || {
            let (operation, object) = ("watch", self.kind.to_string());
            ApiError::Late { operation, object, after: span + OVERDUE }
        };
        loop {
            let left = (span + OVERDUE).saturating_sub(begun.elapsed());
            let chunk = timeout(left, stream.fill_buf()).await.map_err(|_| late())?.map_err(broken)?;
            let length = chunk.len();
            if length == 0 {
                break;
            }
            let whole = lines
                .feed(chunk)
                .map_err(|source| ApiError::TooLong { kind: self.kind, source: source.into() })?;
            stream.consume_unpin(length);
            self.hear(whole, version).await?;
            backoff.reset();
        }
        if begun.elapsed() < SHORT {
            sleep(spread(SHORT)).await;
        } else {
            backoff.reset();
        }
        Ok(())
    }

    /// Takes in events that came together.
    async fn hear(&self, lines: Vec<Vec<u8>>, version: &mut String) -> Result<(), End> {
        let (mut batch, mut heard, mut failed) = (Batch::new(), None, None);
        for line in lines {
            match event::read(self.kind, &line, self.server.name()) {
                Ok(Some(Event::Said(update, at))) => {
                    batch.push(*update);
                    heard = at.or(heard);
                }
                Ok(Some(Event::Bookmark(at))) => heard = Some(at),
                Ok(None) => {}
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        if !batch.is_empty() {
            self.send(batch).await?;
        }
        // Only now: what was not handed on must be heard again.
        if let Some(heard) = heard {
            *version = heard;
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    async fn send(&self, batch: Batch) -> Result<(), Closed> {
        self.updates.send(batch).await.map_err(|_| Closed)
    }
}

/// Whether after this a watch cannot go on where it was. One that is refused for who we are, or because the server has too
/// much to do or is not itself, can.
fn begins_anew(error: &ApiError) -> bool {
    match error {
        ApiError::Refused { status, .. } => {
            let fits = !matches!(status.code, 401 | 403 | 429 | 500..);
            // An etcd that was restored from a backup knows nothing of versions that were after it.
            fits || error.is_gone() || status.message.contains("oo large resource version")
        }
        ApiError::Malformed { .. } | ApiError::TooLong { .. } | ApiError::NoVersion { .. } => true,
        ApiError::Unreachable { .. } | ApiError::Broken { .. } | ApiError::Late { .. } => false,
        ApiError::Object { .. } => false,
    }
}
