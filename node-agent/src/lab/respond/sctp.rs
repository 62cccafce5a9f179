//! SCTP.
use super::{Port, push, wants_push};
use crate::lab::raw::{SctpSocket, random};
use crate::lab::sctp::{self, Packet};
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Associations that are remembered; a flood of new ones makes us forget the others.
const MOST: usize = 65_536;

pub(super) async fn serve(socket: SctpSocket, ports: Vec<Port>) -> io::Result<()> {
    let mut responder = Responder { ports, tag: random(), peers: HashMap::new() };
    let socket = Arc::new(socket);
    let mut buffer = vec![0; 65_536];
    loop {
        let (bytes, from) = socket.receive(&mut buffer).await?;
        let Some(packet) = Packet::parse(bytes) else { continue };
        if let Some(answer) = responder.answer(&packet, from) {
            // Who cannot be reached asked in vain.
            let _ = socket.send(&answer, from).await;
        }
        if let Some((theirs, interval)) = responder.wants_more(&packet, from) {
            let (socket, source, destination) = (socket.clone(), packet.destination, packet.source);
            push(interval, move |n| {
                let value = sctp::data(n, b"!");
                let chunk = Packet { source, destination, tag: theirs, kind: sctp::DATA, value: &value };
                let (socket, bytes) = (socket.clone(), chunk.to_bytes());
                async move { socket.send(&bytes, from).await }
            });
        }
    }
}

struct Responder {
    ports: Vec<Port>,
    /// The tag that peers have to send us.
    tag: u32,
    /// The tags that peers want to see, by address, their port and ours.
    peers: HashMap<(IpAddr, u16, u16), u32>,
}

impl Responder {
    /// The tag of a peer that asks to be talked to, and how often.
    fn wants_more(&self, packet: &Packet<'_>, from: IpAddr) -> Option<(u32, Duration)> {
        let data = packet.kind == sctp::DATA && packet.tag == self.tag;
        let interval = packet.value.get(12..).filter(|_| data).and_then(wants_push)?;
        let theirs = self.peers.get(&(from, packet.source, packet.destination))?;
        Some((*theirs, interval))
    }

    fn answer(&mut self, packet: &Packet<'_>, from: IpAddr) -> Option<Vec<u8>> {
        let peer = (from, packet.source, packet.destination);
        if packet.kind == sctp::INIT {
            let theirs = packet.initiate_tag()?;
            let Some(port) = self.ports.iter().find(|p| p.number.is_none_or(|n| n == packet.destination))
            else {
                return Some(packet.answer(theirs, sctp::ABORT, &[]).to_bytes());
            };
            // The cookie carries all that is to be remembered, and our name for whoever looks.
            let cookie = [&theirs.to_be_bytes()[..], port.name.as_bytes()].concat();
            let value = sctp::init_ack(self.tag, self.tag, &cookie);
            return Some(packet.answer(theirs, sctp::INIT_ACK, &value).to_bytes());
        }
        if packet.tag != self.tag {
            return None;
        }
        if packet.kind == sctp::COOKIE_ECHO {
            let theirs = u32::from_be_bytes(packet.value.get(..4)?.try_into().ok()?);
            if self.peers.len() >= MOST {
                self.peers.clear();
            }
            self.peers.insert(peer, theirs);
            return Some(packet.answer(theirs, sctp::COOKIE_ACK, &[]).to_bytes());
        }
        let theirs = *self.peers.get(&peer)?;
        match packet.kind {
            sctp::DATA => {
                let value = sctp::sack(packet.sequence()?);
                Some(packet.answer(theirs, sctp::SACK, &value).to_bytes())
            }
            sctp::HEARTBEAT => Some(packet.answer(theirs, sctp::HEARTBEAT_ACK, packet.value).to_bytes()),
            sctp::ABORT => {
                self.peers.remove(&peer);
                None
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn ask(responder: &mut Responder, port: u16, tag: u32, kind: u8, value: &[u8]) -> Option<Vec<u8>> {
        let packet = Packet { source: 4000, destination: port, tag, kind, value };
        responder.answer(&packet, PEER)
    }

    fn responder() -> Responder {
        let ports = vec!["SCTP/80=shop/db".parse().unwrap()];
        Responder { ports, tag: 99, peers: HashMap::new() }
    }

    #[test]
    fn an_association_is_made_and_data_acknowledged() {
        let mut responder = responder();
        let bytes = ask(&mut responder, 80, 0, sctp::INIT, &sctp::init(7, 1)).unwrap();
        let ack = Packet::parse(&bytes).unwrap();
        assert_eq!((ack.kind, ack.tag, ack.initiate_tag()), (sctp::INIT_ACK, 7, Some(99)));
        assert_eq!(&ack.cookie().unwrap()[4..], b"shop/db");
        let echoed = ask(&mut responder, 80, 99, sctp::COOKIE_ECHO, ack.cookie().unwrap()).unwrap();
        assert_eq!(Packet::parse(&echoed).unwrap().kind, sctp::COOKIE_ACK);
        let sack = ask(&mut responder, 80, 99, sctp::DATA, &sctp::data(5, b"hello")).unwrap();
        let sack = Packet::parse(&sack).unwrap();
        assert_eq!((sack.kind, sack.tag, sack.sequence()), (sctp::SACK, 7, Some(5)));
    }

    #[test]
    fn a_closed_port_aborts_and_a_stranger_is_not_answered() {
        let mut responder = responder();
        let bytes = ask(&mut responder, 81, 0, sctp::INIT, &sctp::init(7, 1)).unwrap();
        let abort = Packet::parse(&bytes).unwrap();
        assert_eq!((abort.kind, abort.tag), (sctp::ABORT, 7));
        assert_eq!(ask(&mut responder, 80, 99, sctp::DATA, &sctp::data(5, b"hello")), None);
        assert_eq!(ask(&mut responder, 80, 98, sctp::HEARTBEAT, &[]), None);
    }
}
