//! UDP: asks a few times, for nobody repeats a lost datagram.
use super::{Seen, Tried, name};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;

/// How often is asked until the time is up.
const TIMES: u32 = 3;

pub(super) async fn attempt(to: SocketAddr, source: Option<IpAddr>, time: Duration) -> Tried {
    let any = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(source.unwrap_or(any), 0)).await?;
    socket.connect(to).await?;
    let mut answer = [0; 512];
    loop {
        socket.send(b"?").await?;
        // Cancel-safe: no datagram is taken unless it is returned.
        match tokio::time::timeout(time / TIMES, socket.recv(&mut answer)).await {
            Ok(received) => return Ok((Seen::Answered, name(&answer[..received?]))),
            Err(_) => continue,
        }
    }
}
