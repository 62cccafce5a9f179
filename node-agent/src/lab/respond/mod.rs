//! `ringfence lab respond`: what runs in every pod of a lab. On each of its ports it answers with its name.
//!
//! TCP: a line, or an HTTP request, is answered by the name (and the line); who says nothing is told it after a moment.
//! UDP: each datagram is answered by the name and itself. SCTP: as far as [`super::sctp`] goes. Who says `push MILLISECONDS` is
//! talked to that often for a while, whatever it says then.

mod port;
mod sctp;
mod tcp;
mod udp;

pub use port::Port;

use crate::model::Protocol;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

/// For how long somebody who asked to be talked to is talked to.
const PUSHING: Duration = Duration::from_secs(180);
/// What asks for it; the time between messages in milliseconds follows.
const PUSH: &str = "push ";

/// Asks to be talked to, a message every `interval`.
pub(super) fn push_request(interval: Duration) -> String {
    format!("{PUSH}{}", interval.as_millis())
}

/// The interval, if this asks to be talked to.
fn wants_push(said: &[u8]) -> Option<Duration> {
    let milliseconds: u64 = std::str::from_utf8(said).ok()?.strip_prefix(PUSH)?.parse().ok()?;
    Some(Duration::from_millis(milliseconds.max(1)))
}

/// Sends numbered messages, from 1, whoever hears them. An error is that of an earlier one: its receiver may be back.
fn push<F>(interval: Duration, send: impl Fn(u32) -> F + Send + 'static)
where
    F: Future<Output = io::Result<()>> + Send,
{
    tokio::spawn(async move {
        let (mut ticks, until) = pushing(interval);
        for n in 1.. {
            if ticks.tick().await > until {
                break;
            }
            let _ = send(n).await;
        }
    });
}

fn pushing(interval: Duration) -> (tokio::time::Interval, tokio::time::Instant) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    (ticks, tokio::time::Instant::now() + PUSHING)
}

/// Answers on `ports` at `addresses` until killed. Prints `ready` once every port is open.
///
/// # Errors
/// If a port cannot be opened.
pub async fn run(addresses: &[IpAddr], ports: &[Port]) -> io::Result<()> {
    let context = |port: &Port, e: io::Error| io::Error::new(e.kind(), format!("{port}: {e}"));
    let of = |protocol| ports.iter().filter(move |p| p.protocol == protocol);
    let mut tasks = tokio::task::JoinSet::new();
    for port in of(Protocol::Tcp) {
        let listener = tcp::listen(port.number.unwrap_or(0)).await.map_err(|e| context(port, e))?;
        tasks.spawn(tcp::serve(listener, port.name.clone()));
    }
    for port in of(Protocol::Udp) {
        for address in addresses {
            let socket = udp::open(*address, port.number.unwrap_or(0)).await.map_err(|e| context(port, e))?;
            tasks.spawn(udp::serve(socket, port.name.clone()));
        }
    }
    let sctp: Vec<Port> = of(Protocol::Sctp).cloned().collect();
    for address in addresses {
        let socket = super::raw::SctpSocket::new(*address)
            .map_err(|e| io::Error::new(e.kind(), format!("SCTP at {address}: {e}")))?;
        tasks.spawn(sctp::serve(socket, sctp.clone()));
    }
    let mut out = io::stdout();
    writeln!(out, "ready")?;
    out.flush()?;
    match tasks.join_next().await {
        Some(Ok(ended)) => ended,
        Some(Err(e)) => Err(io::Error::other(e)),
        None => std::future::pending().await,
    }
}
