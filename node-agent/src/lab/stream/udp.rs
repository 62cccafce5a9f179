//! UDP: numbered datagrams, each answered by one.
use super::{Hear, Tally};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::UdpSocket;

pub(super) struct Talk {
    socket: Arc<UdpSocket>,
    tally: Arc<Tally>,
}

pub(super) async fn open(to: SocketAddr, tally: Arc<Tally>) -> io::Result<(super::Talk, Hear)> {
    let any = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = Arc::new(UdpSocket::bind(SocketAddr::new(any, 0)).await?);
    socket.connect(to).await?;
    let (receiving, talking) = (socket.clone(), tally.clone());
    let hear = async move {
        let mut buffer = vec![0; 65_536];
        loop {
            let length = receiving.recv(&mut buffer).await?;
            // "ns/pod NUMBER"
            let said = String::from_utf8_lossy(&buffer[..length]);
            let number = said.rsplit_once(' ').and_then(|(_, number)| number.parse().ok());
            tally.answered(number.ok_or(io::ErrorKind::InvalidData)?);
        }
    };
    Ok((super::Talk::Udp(Talk { socket, tally: talking }), Box::pin(hear)))
}

impl Talk {
    pub(super) async fn send(&mut self, sequence: u64) -> io::Result<bool> {
        self.socket.send(self.tally.message(sequence).as_bytes()).await.map(|_| true)
    }
}
