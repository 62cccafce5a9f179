//! What follows upon packets that arrived: answers, more of the same, and what only looks like it.
use super::{Arrival, Draft, Scenario};
use crate::packets::oracle::{Known, Sender};
use crate::packets::reading::{Flow, Reading};
use crate::testrun::packet::{Echo, Packet, flags};
use std::net::IpAddr;

/// Which end speaks, and whether it answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The other end answers the first packet.
    Answers,
    /// The other end says more.
    Continues,
    /// The other end opens a connection of its own between the same ends.
    OpensBack,
}

impl Scenario {
    /// By the end that got a packet, or by the one that sent it.
    pub(super) fn answer(&mut self, arrivals: &[Arrival]) -> Option<Draft> {
        // The latest most of all.
        let recent = if self.dice.chance(60) { arrivals.len().saturating_sub(12) } else { 0 };
        let arrival = self.dice.pick(arrivals.get(recent..)?).filter(|a| !a.part)?.clone();
        let again = self.dice.chance(20);
        let packet = if again { &arrival.sent } else { &arrival.packet };
        let ethertype = if packet.first()? >> 4 == 4 { 0x0800 } else { 0x86dd };
        let reading = Reading::of(ethertype, packet)?;
        let (flow, transport) = (reading.flow()?, reading.transport()?);
        let (sender, ends) = match again {
            true => (arrival.sender, flow),
            false => (arrival.answers_from, flow.reversed()),
        };
        let turn = match self.dice.below(10) {
            _ if again => Turn::Continues,
            0..=6 => Turn::Answers,
            7 | 8 => Turn::Continues,
            _ => Turn::OpensBack,
        };
        let packet = self.turn(ends, turn, transport.kind)?;
        Some(self.draft(sender, &packet))
    }

    fn turn(&mut self, ends: Flow, turn: Turn, kind: u8) -> Option<Packet> {
        let (src, dst, ports) = (ends.src.0, ends.dst.0, (ends.src.1, ends.dst.1));
        let later = [flags::ACK, flags::ACK, flags::ACK | flags::FIN, flags::RST, flags::RST | flags::ACK, 0];
        Some(match (ends.protocol, turn) {
            (6, Turn::Answers) => Packet::tcp(src, dst, ports, flags::SYN | flags::ACK),
            (6, Turn::OpensBack) => Packet::tcp(src, dst, ports, flags::SYN),
            (6, Turn::Continues) => Packet::tcp(src, dst, ports, later[self.dice.below(later.len())]),
            (17, _) => Packet::udp(src, dst, ports),
            (132, Turn::Answers) => Packet::sctp(src, dst, ports, 2),
            (132, Turn::OpensBack) => Packet::sctp(src, dst, ports, 1),
            // DATA, SACK, HEARTBEAT, ABORT, COOKIE ECHO.
            (132, Turn::Continues) => Packet::sctp(src, dst, ports, [0, 3, 4, 6, 10][self.dice.below(5)]),
            (1 | 58, turn) if ends.src.1 != 0 => {
                let asks = turn == Turn::OpensBack || (turn == Turn::Continues && [8, 128].contains(&kind));
                Packet::echo(src, dst, if asks { Echo::Request } else { Echo::Reply }, ends.src.1)
            }
            (1 | 58, _) => Packet::icmp(src, dst, if src.is_ipv4() { 14 } else { 201 }, 0, [0, 1, 0, 1]),
            (protocol, _) => Packet::other(src, dst, protocol),
        })
    }

    /// An answer, or something in mid-stream, to nothing that was ever asked.
    pub(super) fn unsolicited(&mut self, known: &Known) -> Option<Draft> {
        let v4 = self.family();
        let (sender, source) = self.sender(known, v4)?;
        // Towards a pod, mostly, from the ports that it might call.
        let target = self.target(known, v4, &sender)?;
        let ports = match self.dice.chance(60) {
            true => (target.port, self.dice.port()),
            false => (self.dice.port(), target.port),
        };
        let ends = Flow { src: (source, ports.0), dst: (target.address, ports.1), protocol: 0 };
        let protocol = [6, 6, 6, 132, 17, if v4 { 1 } else { 58 }][self.dice.below(6)];
        let ends = Flow { protocol, ..ends };
        let turn = if self.dice.chance(50) { Turn::Answers } else { Turn::Continues };
        let packet = self.turn(echo_ends(ends), turn, 0)?;
        Some(self.draft(sender, &packet))
    }

    /// What a rogue peer may put onto the mesh.
    pub(super) fn by_peer(&mut self, known: &Known, v4: bool, source: IpAddr) -> Option<Sender> {
        let from = known.node_of(&known.who(source))?;
        let (_, to) = self.a_node(known, v4)?;
        (from != to).then_some(Sender::Peer { from, to })
    }
}

/// An echo has one identifier at both ends.
fn echo_ends(mut ends: Flow) -> Flow {
    if matches!(ends.protocol, 1 | 58) {
        let id = ends.src.1 % 8 + 1;
        (ends.src.1, ends.dst.1) = (id, id);
    }
    ends
}
