//! TCP: connects, asks for the name, and waits for it: a handshake alone would not show that data passes.
use super::{Seen, Tried, name};
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

pub(super) async fn attempt(to: SocketAddr, source: Option<IpAddr>) -> Tried {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let mut stream = socket.connect(to).await?;
    stream.write_all(b"?\n").await?;
    let mut answer = [0; 512];
    let length = stream.read(&mut answer).await?;
    Ok((Seen::Answered, name(&answer[..length])))
}
