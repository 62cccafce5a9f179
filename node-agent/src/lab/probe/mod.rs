//! `ringfence lab probe`: tries connections from where it runs. Reads attempts and writes outcomes, a JSON object a line
//! each, outcomes in the order in which they are known.

mod sctp;
mod tcp;
mod udp;

use crate::model::Protocol;
use sctp::Associations;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc};

/// A connection to try.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// Comes back with the outcome.
    pub id: u32,
    /// Where to.
    pub to: SocketAddr,
    /// How.
    pub protocol: Protocol,
    /// From which of our addresses; `None`: the one that the route says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// After how many milliseconds nothing counts any more.
    pub timeout_ms: u32,
}

/// What came of an attempt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The attempt's.
    pub id: u32,
    /// What was seen.
    pub seen: Seen,
    /// Answered: the name that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Failed: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Milliseconds that it took.
    pub ms: u32,
}

/// What was seen of the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// It answered.
    Answered,
    /// It said that nobody listens there: packets went both ways.
    Refused,
    /// Nothing, in time.
    Silent,
    /// The packet could not even be sent, or the network said that there is no way.
    Failed,
}

/// What one attempt makes of it.
type Tried = io::Result<(Seen, Option<String>)>;

/// Reads attempts from `input` until its end, at most `at_once` of them under way, and writes outcomes.
///
/// # Errors
/// If a line is no attempt, or the outcomes cannot be written.
pub async fn run(
    input: impl BufRead + Send + 'static,
    mut output: impl Write,
    at_once: usize,
) -> io::Result<()> {
    let (lines, mut attempts) = mpsc::channel::<io::Result<Attempt>>(1024);
    // Standard input has no asynchronous reading that could be cancelled; this thread ends with the process.
    std::thread::spawn(move || {
        for line in input.lines() {
            let attempt = line.and_then(|line| Ok(serde_json::from_str(&line)?));
            if lines.blocking_send(attempt).is_err() {
                return;
            }
        }
    });
    let (done, mut outcomes) = mpsc::unbounded_channel::<Outcome>();
    let slots = Arc::new(Semaphore::new(at_once));
    let associations = Arc::new(Associations::default());
    let accept = async move {
        while let Some(attempt) = attempts.recv().await {
            let attempt = attempt?;
            let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
            let (done, associations) = (done.clone(), associations.clone());
            tokio::spawn(async move {
                let outcome = attempt.run(&associations).await;
                drop(slot);
                // Nobody reads any more: the process is about to end.
                let _ = done.send(outcome);
            });
        }
        Ok::<_, io::Error>(())
    };
    let report = async move {
        while let Some(outcome) = outcomes.recv().await {
            serde_json::to_writer(&mut output, &outcome)?;
            writeln!(output)?;
            if outcomes.is_empty() {
                output.flush()?;
            }
        }
        output.flush()
    };
    tokio::try_join!(accept, report).map(drop)
}

impl Attempt {
    async fn run(&self, associations: &Associations) -> Outcome {
        let began = Instant::now();
        let time = Duration::from_millis(u64::from(self.timeout_ms));
        let tried = match self.protocol {
            Protocol::Tcp => tokio::time::timeout(time, tcp::attempt(self.to, self.source)).await,
            Protocol::Udp => tokio::time::timeout(time, udp::attempt(self.to, self.source, time)).await,
            Protocol::Sctp => {
                tokio::time::timeout(time, associations.attempt(self.to, self.source, time)).await
            }
        };
        let (seen, name, error) = match tried {
            Err(_) => (Seen::Silent, None, None),
            Ok(Ok((seen, name))) => (seen, name, None),
            Ok(Err(e)) if e.kind() == io::ErrorKind::ConnectionRefused => (Seen::Refused, None, None),
            Ok(Err(e)) => (Seen::Failed, None, Some(e.to_string())),
        };
        let ms = u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX);
        Outcome { id: self.id, seen, name, error, ms }
    }
}

/// The name in an answer: its first word.
fn name(answer: &[u8]) -> Option<String> {
    String::from_utf8_lossy(answer).split_whitespace().next().map(str::to_owned)
}
