//! What the netlink modules share: the connection, our protocol number, errors.
use rtnetlink::Handle;
use rtnetlink::packet_route::route::RouteProtocol;
use std::io;

/// Marks routes and rules as ours (`rtm_protocol`, `FRA_PROTOCOL`). Of the range that iproute2's `rt_protos` leaves
/// free; the number means nothing beyond that.
pub(super) const PROTOCOL: RouteProtocol = RouteProtocol::Other(158);

/// A connection to the network namespace of the calling thread. Requests are checked strictly, so that dumps are
/// filtered by the kernel.
///
/// # Errors
/// When the socket cannot be made.
pub(super) fn connect() -> io::Result<Handle> {
    let (connection, handle, _) = rtnetlink::new_connection_with_strict_check()?;
    tokio::spawn(connection);
    Ok(handle)
}

/// The `errno` of an error, positive.
pub(super) fn errno(error: &rtnetlink::Error) -> Option<i32> {
    match error {
        rtnetlink::Error::NetlinkError(message) => message.code.map(|code| code.get().abs()),
        _ => None,
    }
}
