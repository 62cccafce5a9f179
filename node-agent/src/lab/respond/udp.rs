//! UDP.
use super::{push, wants_push};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::UdpSocket;

/// A socket at one address, so that answers leave from where they were asked for.
pub(super) async fn open(address: IpAddr, port: u16) -> io::Result<UdpSocket> {
    UdpSocket::bind(SocketAddr::new(address, port)).await
}

pub(super) async fn serve(socket: UdpSocket, name: String) -> io::Result<()> {
    let socket = Arc::new(socket);
    let mut buffer = vec![0; 65_536];
    loop {
        // An error is that of an answer sent earlier: its receiver has gone.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        if let Some(interval) = wants_push(&buffer[..length]) {
            let (socket, name) = (socket.clone(), name.clone());
            push(interval, move |n| {
                let (socket, text) = (socket.clone(), format!("{name} {n}"));
                async move { socket.send_to(text.as_bytes(), from).await.map(drop) }
            });
            continue;
        }
        let mut answer = format!("{name} ").into_bytes();
        answer.extend(&buffer[..length]);
        let _ = socket.send_to(&answer, from).await;
    }
}
