//! SCTP: an association, and a DATA chunk at a time, each acknowledged.
use super::{Hear, Tally};
use crate::lab::raw::{SctpSocket, random};
use crate::lab::sctp::{self, Packet};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long an answer to INIT or COOKIE ECHO is waited for until it is sent again.
const RESEND: Duration = Duration::from_millis(500);

pub(super) struct Talk {
    association: Arc<Association>,
    tally: Arc<Tally>,
}

struct Association {
    socket: SctpSocket,
    to: SocketAddr,
    port: u16,
    /// The tag that the other side wants to see.
    theirs: u32,
    ours: u32,
}

pub(super) async fn open(to: SocketAddr, tally: Arc<Tally>) -> io::Result<(super::Talk, Hear)> {
    let any = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let (ours, port) = (random(), 10_000 + (random() % 10_000) as u16);
    let mut new = Association { socket: SctpSocket::new(any)?, to, port, theirs: 0, ours };
    // Messages are numbered from 1, and so are the chunks that bear them.
    let ack = new.ask(sctp::INIT, &sctp::init(ours, 1), sctp::INIT_ACK).await?;
    let parsed = Packet::parse(&ack).ok_or(io::ErrorKind::InvalidData)?;
    new.theirs = parsed.initiate_tag().ok_or(io::ErrorKind::InvalidData)?;
    let cookie = parsed.cookie().ok_or(io::ErrorKind::InvalidData)?.to_vec();
    new.ask(sctp::COOKIE_ECHO, &cookie, sctp::COOKIE_ACK).await?;
    let association = Arc::new(new);
    let (hearing, talking) = (association.clone(), tally.clone());
    let hear = async move {
        loop {
            let bytes = hearing.receive().await?;
            let Some(packet) = Packet::parse(&bytes) else { continue };
            match packet.kind {
                sctp::SACK if !tally.listens() => tally.answered(packet.sequence().unwrap_or(0).into()),
                // Not acknowledged: what comes shall not depend on what we say.
                sctp::DATA if tally.listens() => tally.answered(packet.sequence().unwrap_or(0).into()),
                sctp::ABORT => return Err(io::ErrorKind::ConnectionReset.into()),
                _ => {}
            }
        }
    };
    Ok((super::Talk::Sctp(Talk { association, tally: talking }), Box::pin(hear)))
}

impl Association {
    /// Sends until the answer of this kind comes.
    async fn ask(&self, kind: u8, value: &[u8], answer: u8) -> io::Result<Vec<u8>> {
        loop {
            self.send(kind, value).await?;
            let waiting = async {
                loop {
                    let bytes = self.receive().await?;
                    match Packet::parse(&bytes).map(|packet| packet.kind) {
                        Some(kind) if kind == answer => return Ok(bytes),
                        Some(sctp::ABORT) => return Err(io::ErrorKind::ConnectionRefused.into()),
                        _ => {}
                    }
                }
            };
            // Cancel-safe: what was received in part is no packet.
            if let Ok(done) = tokio::time::timeout(RESEND, waiting).await {
                return done;
            }
        }
    }

    async fn send(&self, kind: u8, value: &[u8]) -> io::Result<()> {
        let (source, destination) = (self.port, self.to.port());
        let packet = Packet { source, destination, tag: self.theirs, kind, value };
        self.socket.send(&packet.to_bytes(), self.to.ip()).await
    }

    /// The next packet of this association.
    async fn receive(&self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; 65_536];
        loop {
            let (bytes, _) = self.socket.receive(&mut buffer).await?;
            if Packet::parse(bytes).is_some_and(|p| p.tag == self.ours && p.destination == self.port) {
                return Ok(bytes.to_vec());
            }
        }
    }
}

impl Talk {
    pub(super) async fn send(&mut self, sequence: u64) -> io::Result<bool> {
        let number = u32::try_from(sequence).map_err(io::Error::other)?;
        let payload = self.tally.message(sequence);
        self.association.send(sctp::DATA, &sctp::data(number, payload.as_bytes())).await.map(|()| true)
    }
}
