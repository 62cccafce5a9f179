//! TCP: numbered lines, each answered by itself; every byte of the answer is looked at.
use super::{Hear, Tally};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

/// Bytes of a line after its number.
const FILLER: usize = 500;

pub(super) struct Talk {
    write: OwnedWriteHalf,
    /// What the socket's buffer had no room for.
    pending: Vec<u8>,
    tally: Arc<Tally>,
}

pub(super) async fn open(to: SocketAddr, tally: Arc<Tally>) -> io::Result<(super::Talk, Hear)> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let (mut read, write) = stream.into_split();
    let talking = tally.clone();
    let hear = async move {
        let (mut buffer, mut rest, mut next) = (vec![0; 65_536], Vec::new(), 1);
        loop {
            let length = match read.read(&mut buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => length,
            };
            rest.extend_from_slice(&buffer[..length]);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                // "ns/pod NUMBER FILLER"; the name alone is what a caller is told who was slow to speak.
                let Some(space) = line.iter().position(|byte| *byte == b' ') else { continue };
                let expected = if tally.listens() { format!("{next}\n") } else { self::line(next) };
                if &line[space + 1..] != expected.as_bytes() {
                    let what = format!("answer {next} is {:?}", String::from_utf8_lossy(&line));
                    return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                }
                tally.answered(next);
                next += 1;
            }
        }
    };
    let talk = Talk { write, pending: Vec::new(), tally: talking };
    Ok((super::Talk::Tcp(talk), Box::pin(hear)))
}

/// A line, the same for the same number and unlike its neighbours.
fn line(sequence: u64) -> String {
    let letter = char::from(b'a' + (sequence % 26) as u8);
    format!("{sequence} {}\n", letter.to_string().repeat(FILLER))
}

impl Talk {
    /// Hands over what is left, or the next line if there is to be one; whether it took that on.
    pub(super) fn tick(&mut self, sequence: u64, more: bool) -> io::Result<bool> {
        let new = more && self.pending.is_empty();
        if new {
            let asks = self.tally.listens();
            let text = if asks { self.tally.message(sequence) + "\n" } else { line(sequence) };
            self.pending = text.into_bytes();
        }
        if self.pending.is_empty() {
            return Ok(false);
        }
        // A full buffer must not keep the counts from being written.
        match self.write.try_write(&self.pending) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(new),
            Err(e) => Err(e),
            Ok(length) => {
                self.pending.drain(..length);
                Ok(new)
            }
        }
    }
}
