//! UDP: datagrams, each answered by one.
use super::{Hear, Tally};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::UdpSocket;

pub(super) struct Talk(Arc<UdpSocket>);

pub(super) async fn open(to: SocketAddr, tally: Arc<Tally>) -> io::Result<(super::Talk, Hear)> {
    let any = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = Arc::new(UdpSocket::bind(SocketAddr::new(any, 0)).await?);
    socket.connect(to).await?;
    let receiving = socket.clone();
    let hear = async move {
        let mut buffer = vec![0; 65_536];
        loop {
            receiving.recv(&mut buffer).await?;
            tally.answered(1);
        }
    };
    Ok((super::Talk::Udp(Talk(socket)), Box::pin(hear)))
}

impl Talk {
    pub(super) async fn send(&mut self) -> io::Result<()> {
        self.0.send(b"?").await.map(drop)
    }
}
