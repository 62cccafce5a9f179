//! `ringfence lab respond`: what runs in every pod of a lab. On each of its ports it answers with its name.
//!
//! TCP: a line, or an HTTP request, is answered by the name (and the line); who says nothing is told it after a moment.
//! UDP: each datagram is answered by the name and itself. SCTP: as far as [`super::sctp`] goes. Who says `push` is talked
//! to for a while, whatever it says then.

mod port;
mod sctp;
mod tcp;
mod udp;

pub use port::Port;

use crate::model::Protocol;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

/// Time between messages to somebody who asked to be talked to, and how many there are.
const PUSHED_EVERY: Duration = Duration::from_millis(20);
const PUSHED: u32 = 6000;

/// Sends numbered messages, from 1, whoever hears them. An error is that of an earlier one: its receiver may be back.
fn push<F>(send: impl Fn(u32) -> F + Send + 'static)
where
    F: Future<Output = io::Result<()>> + Send,
{
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(PUSHED_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for n in 1..=PUSHED {
            ticks.tick().await;
            let _ = send(n).await;
        }
    });
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
