//! The first packet of a connection, and the answer to one.
use super::wire::{self, Tuple};
use crate::model::Protocol;
use std::net::IpAddr;

/// TCP flags (RFC 9293, section 3.1).
const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;
/// SCTP chunk types (RFC 9260, section 3.2).
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;

/// A TCP SYN, a UDP datagram or an SCTP INIT.
pub(super) fn opening(src: (IpAddr, u16), dst: (IpAddr, u16), protocol: Protocol) -> Vec<u8> {
    packet(&Tuple { src, dst, protocol: protocol.number() }, false)
}

/// What whoever got `packet`, a connection's first, would send back.
pub(super) fn answer(packet: &[u8]) -> Option<Vec<u8>> {
    match wire::meaning(packet) {
        wire::Meaning::Begins(tuple) => Some(self::packet(&tuple.reversed(), true)),
        _ => None,
    }
}

fn packet(ends: &Tuple, answers: bool) -> Vec<u8> {
    let mut transport = [ends.src.1.to_be_bytes(), ends.dst.1.to_be_bytes()].concat();
    if ends.protocol == Protocol::Tcp.number() {
        transport.resize(20, 0);
        transport[12] = 5 << 4;
        transport[13] = if answers { SYN_ACK } else { SYN };
    } else if ends.protocol == Protocol::Udp.number() {
        transport.extend([0, 12, 0, 0]);
        transport.extend(b"ping");
    } else {
        // Common header, then a chunk of twenty bytes.
        transport.resize(12, 0);
        transport.extend([if answers { INIT_ACK } else { INIT }, 0, 0, 20]);
        transport.resize(32, 0);
    }
    let length = transport.len() as u16;
    let mut packet = match ends.src.0 {
        IpAddr::V4(_) => {
            let total = (length + 20).to_be_bytes();
            vec![0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, ends.protocol, 0, 0]
        }
        IpAddr::V6(_) => {
            let payload = length.to_be_bytes();
            vec![0x60, 0, 0, 0, payload[0], payload[1], ends.protocol, 64]
        }
    };
    packet.extend(wire::octets(ends.src.0));
    packet.extend(wire::octets(ends.dst.0));
    packet.extend(transport);
    packet
}
