//! `ringfence lab stream`: one connection that talks without pause to what answers in a pod, or, once it has asked to be
//! talked to, only listens. How much was sent and what came back is written a JSON line at a time, so that a test sees
//! when it stops, and whether anything was lost.

mod sctp;
mod tally;
mod tcp;
mod udp;

pub use tally::Counts;

use crate::model::Protocol;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tally::Tally;

/// How often counts are written.
const REPORT: Duration = Duration::from_millis(100);
/// How long answers may still come after the last message.
const STRAGGLERS: Duration = Duration::from_millis(2500);
/// How long opening may take.
const OPENING: Duration = Duration::from_secs(5);
/// How often is asked to be talked to until something comes.
const ASKING: Duration = Duration::from_millis(500);

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whom to talk to.
    pub to: SocketAddr,
    /// Over what.
    pub protocol: Protocol,
    /// Time between messages, whoever says them.
    pub interval: Duration,
    /// Ask to be talked to, then say nothing.
    pub listen: bool,
}

/// Sends a message every interval until `stop`, then waits a moment for what is still to come.
///
/// # Errors
/// If the connection cannot be opened, or counts cannot be written. That it breaks later is in the counts.
pub async fn run(options: Options, stop: impl Future<Output = ()>, mut output: impl Write) -> io::Result<()> {
    let Options { to, protocol, interval, listen } = options;
    let tally = Arc::new(Tally::new(listen.then_some(interval)));
    let (mut talk, hear) = match protocol {
        Protocol::Tcp => opened(tcp::open(to, tally.clone())).await?,
        Protocol::Udp => opened(udp::open(to, tally.clone())).await?,
        Protocol::Sctp => opened(sctp::open(to, tally.clone())).await?,
    };
    let mut write = |counts: &Counts| -> io::Result<()> {
        serde_json::to_writer(&mut output, counts)?;
        writeln!(output)?;
        output.flush()
    };
    let (mut ticks, mut reports) =
        (tokio::time::interval(if listen { ASKING } else { interval }), tokio::time::interval(REPORT));
    // A machine that was busy must not make up for it by a flood.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
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
            _ = ticks.tick() => {
                if let Err(e) = talk.tick(&tally, ends.is_none()).await {
                    break Some(e);
                }
            }
            _ = reports.tick() => {
                write(&tally.counts())?;
                if ends.is_some() && (listen || tally.whole()) {
                    break None;
                }
            }
            () = tokio::time::sleep_until(end), if ends.is_some() => break None,
        }
    };
    drop(talk);
    let error = error.map(|e| e.to_string());
    write(&Counts { error, missing: tally.missing(), done: true, ..tally.counts() })
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
    /// Sends the next message if there is to be one; who listens says no more once it has been heard.
    async fn tick(&mut self, tally: &Tally, more: bool) -> io::Result<()> {
        let more = more && !(tally.listens() && tally.counts().answered > 0);
        let sequence = if tally.listens() { 1 } else { tally.next() };
        let sent = match self {
            Self::Tcp(talk) => talk.tick(sequence, more)?,
            Self::Udp(talk) if more => talk.send(sequence).await?,
            Self::Sctp(talk) if more => talk.send(sequence).await?,
            Self::Udp(_) | Self::Sctp(_) => false,
        };
        if sent {
            tally.sent();
        }
        Ok(())
    }
}

/// The receiving half: runs until the connection breaks.
type Hear = std::pin::Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;
