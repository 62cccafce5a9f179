//! Hearing of what others change in the kernel, so that it is mended at once rather than at the next tick.
use futures::StreamExt;
use rtnetlink::{MulticastGroup, new_multicast_connection};
use std::io;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What an agent has to mend when it changes.
const GROUPS: [MulticastGroup; 7] = [
    MulticastGroup::Link,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
];

/// Wakes `changed` at every notification, until `stop`. Notifications lost to a full socket buffer cost nothing: what is
/// wrong is found by looking, not by listening.
///
/// # Errors
/// When the socket cannot be made or breaks.
pub(super) async fn listen(changed: Arc<Notify>, stop: CancellationToken) -> io::Result<()> {
    let (connection, _handle, mut messages) = new_multicast_connection(&GROUPS)?;
    tokio::pin!(connection);
    loop {
        tokio::select! {
            // Cancel-safe: a token stays cancelled.
            () = stop.cancelled() => return Ok(()),
            // Cancel-safe: the pinned future keeps its state and is polled again in the next round.
            () = &mut connection => return Err(io::Error::other("the netlink socket for notifications has closed")),
            // Cancel-safe: a message that was not returned stays in the channel.
            message = messages.next() => if message.is_some() { changed.notify_one() },
        }
    }
}
