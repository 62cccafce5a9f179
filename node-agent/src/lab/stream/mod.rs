//! `ringfence lab stream`: one connection that talks without pause to what answers in a pod. How much was sent and how
//! much came back is written a JSON line at a time, so that a test sees when it stops, and whether anything was lost.

mod sctp;
mod tcp;
mod udp;

use crate::model::Protocol;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often counts are written.
const REPORT: Duration = Duration::from_millis(50);
/// How long answers may still come after the last message.
const STRAGGLERS: Duration = Duration::from_millis(1500);
/// How long opening may take.
const OPENING: Duration = Duration::from_secs(5);

/// A line of output.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Milliseconds since the start.
    pub ms: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages answered.
    pub answered: u64,
    /// Milliseconds since the last answer.
    pub silent_ms: u64,
    /// It broke: reset, or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// This is the last line.
    #[serde(default)]
    pub done: bool,
}

/// What the protocols count in.
#[derive(Debug)]
struct Tally {
    began: Instant,
    sent: AtomicU64,
    answered: AtomicU64,
    last_ms: AtomicU64,
}

impl Tally {
    fn sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    fn answered(&self, count: u64) {
        self.answered.fetch_add(count, Ordering::Relaxed);
        self.last_ms.store(self.ms(), Ordering::Relaxed);
    }

    fn ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn counts(&self) -> Counts {
        let ms = self.ms();
        Counts {
            ms,
            sent: self.sent.load(Ordering::Relaxed),
            answered: self.answered.load(Ordering::Relaxed),
            silent_ms: ms.saturating_sub(self.last_ms.load(Ordering::Relaxed)),
            ..Counts::default()
        }
    }
}

/// Sends a message every `interval` until `stop`, then waits a moment for what is still to come.
///
/// # Errors
/// If the connection cannot be opened, or counts cannot be written. That it breaks later is in the counts.
pub async fn run(
    to: SocketAddr,
    protocol: Protocol,
    interval: Duration,
    stop: impl Future<Output = ()>,
    mut output: impl Write,
) -> io::Result<()> {
    let zero = AtomicU64::default;
    let tally = Arc::new(Tally { began: Instant::now(), sent: zero(), answered: zero(), last_ms: zero() });
    let (talk, hear) = match protocol {
        Protocol::Tcp => opened(tcp::open(to, tally.clone())).await?,
        Protocol::Udp => opened(udp::open(to, tally.clone())).await?,
        Protocol::Sctp => opened(sctp::open(to, tally.clone())).await?,
    };
    let mut write = |counts: &Counts| -> io::Result<()> {
        serde_json::to_writer(&mut output, counts)?;
        writeln!(output)?;
        output.flush()
    };
    let (mut ticks, mut reports) = (tokio::time::interval(interval), tokio::time::interval(REPORT));
    let mut talk = Some(talk);
    tokio::pin!(hear, stop);
    let mut ends: Option<tokio::time::Instant> = None;
    let error = loop {
        let end = ends.unwrap_or_else(|| tokio::time::Instant::now() + OPENING);
        tokio::select! {
            // All of these are cancel-safe: a pinned future, intervals, and a point in time.
            broken = &mut hear => break broken.err(),
            () = &mut stop, if ends.is_none() => {
                ends = Some(tokio::time::Instant::now() + STRAGGLERS);
            }
            _ = ticks.tick(), if ends.is_none() => {
                if let Some(open) = &mut talk && let Err(e) = open.send(&tally).await {
                    break Some(e);
                }
            }
            _ = reports.tick() => {
                let counts = tally.counts();
                write(&counts)?;
                if ends.is_some() && counts.answered >= counts.sent {
                    break None;
                }
            }
            () = tokio::time::sleep_until(end), if ends.is_some() => break None,
        }
    };
    drop(talk.take());
    write(&Counts { error: error.map(|e| e.to_string()), done: true, ..tally.counts() })
}

async fn opened<T>(opening: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(OPENING, opening).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The sending half of a connection.
enum Talk {
    Tcp(tcp::Talk),
    Udp(udp::Talk),
    Sctp(sctp::Talk),
}

impl Talk {
    async fn send(&mut self, tally: &Tally) -> io::Result<()> {
        match self {
            Self::Tcp(talk) => talk.send().await?,
            Self::Udp(talk) => talk.send().await?,
            Self::Sctp(talk) => talk.send().await?,
        }
        tally.sent();
        Ok(())
    }
}

/// The receiving half: runs until the connection breaks.
type Hear = std::pin::Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;
