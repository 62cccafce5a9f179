//! Hearing of what others change in the kernel, so that it is mended at once rather than at the next tick.
use crate::apply::observe_events::Events;
use futures::StreamExt;
use rtnetlink::{MulticastGroup, new_multicast_connection};
use std::io;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Wakes `changed` whenever something of the mesh changes, and whenever any device comes or goes, until `stop`.
/// Notifications lost to a full socket buffer cost nothing: what is wrong is found by looking, not by listening.
///
/// # Errors
/// When a socket cannot be made or breaks.
pub(super) async fn listen(changed: Arc<Notify>, stop: CancellationToken) -> io::Result<()> {
    let mut mesh = Events::subscribe()?;
    let (connection, _handle, mut devices) = new_multicast_connection(&[MulticastGroup::Link])?;
    tokio::pin!(connection);
    let closed = || io::Error::other("the netlink socket for notifications has closed");
    loop {
        tokio::select! {
            // Cancel-safe: a token stays cancelled.
            () = stop.cancelled() => return Ok(()),
            // Cancel-safe: the pinned future keeps its state and is polled again in the next round.
            () = &mut connection => return Err(closed()),
            // Cancel-safe: an event that was not returned stays in its channel.
            event = mesh.next() => event.map(|_| changed.notify_one()).ok_or_else(closed)?,
            // Cancel-safe: a message that was not returned stays in the channel.
            message = devices.next() => message.map(|_| changed.notify_one()).ok_or_else(closed)?,
        }
    }
}
