//! TCP: lines, each answered by a line.
use super::{Hear, Tally};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

pub(super) struct Talk(OwnedWriteHalf);

pub(super) async fn open(to: SocketAddr, tally: Arc<Tally>) -> io::Result<(super::Talk, Hear)> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let (mut read, write) = stream.into_split();
    let hear = async move {
        let mut buffer = vec![0; 65_536];
        loop {
            match read.read(&mut buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => {
                    let lines = buffer[..length].iter().filter(|byte| **byte == b'\n').count();
                    tally.answered(lines as u64);
                }
            }
        }
    };
    Ok((super::Talk::Tcp(Talk(write)), Box::pin(hear)))
}

impl Talk {
    pub(super) async fn send(&mut self) -> io::Result<()> {
        // A socket's buffer that is full must not keep the counts from being written.
        match self.0.try_write(b"?\n") {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.0.flush().await,
            other => other.map(drop),
        }
    }
}
