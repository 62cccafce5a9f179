//! IP packets as a router and its connection tracking see them: enough to forward and to translate, no more.
//!
//! Formats: RFC 791, RFC 8200; ports of TCP, UDP and SCTP are the first two words of their headers; an ICMP echo's
//! identifier is its third. Checksums are neither read nor written: no program looks at them.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;
const AUTHENTICATION: u8 = 51;

/// Both ends of a connection, as one packet shows them. Ports in host order; an echo's identifier is both ports.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Tuple {
    /// Source.
    pub(super) src: (IpAddr, u16),
    /// Destination.
    pub(super) dst: (IpAddr, u16),
    /// IP protocol number.
    pub(super) protocol: u8,
}

/// What connections of a protocol between the same addresses are told apart by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Numbers {
    Ports,
    /// An echo's, the same both ways.
    Identifier,
}

/// `None`: by nothing.
pub(super) fn numbers(protocol: u8) -> Option<Numbers> {
    match protocol {
        TCP | UDP | SCTP => Some(Numbers::Ports),
        ICMP | ICMPV6 => Some(Numbers::Identifier),
        _ => None,
    }
}

impl Tuple {
    /// The other way.
    pub(super) fn reversed(self) -> Self {
        Self { src: self.dst, dst: self.src, protocol: self.protocol }
    }
}

/// Source and destination of an IP packet, `None` if it is too short or of another version.
pub(super) fn addresses(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    match packet.first()? >> 4 {
        4 if packet.len() >= 20 => Some((v4(packet, 12)?.into(), v4(packet, 16)?.into())),
        6 if packet.len() >= 40 => Some((v6(packet, 8)?.into(), v6(packet, 24)?.into())),
        _ => None,
    }
}

/// As a receiver of the network layer does (`ip_rcv_core`, `ip6_rcv_core`): refuses headers that contradict the packet's
/// length or the frame's EtherType, and cuts off what lies behind the stated length. `None`: refused.
pub(super) fn received(packet: &[u8], v6: bool) -> Option<Vec<u8>> {
    let end = match packet.first()? >> 4 {
        4 if !v6 => {
            let (header, total) = (usize::from(packet[0] & 0x0f) * 4, usize::from(word(packet, 2)?));
            (header >= 20 && total >= header).then_some(total)?
        }
        6 if v6 => {
            let payload = usize::from(word(packet, 4)?);
            // A jumbogram, which would be longer than any packet here.
            (payload != 0 || *packet.get(6)? != HOP_BY_HOP).then_some(40 + payload)?
        }
        _ => return None,
    };
    Some(packet.get(..end)?.to_vec())
}

/// Counts one router off the packet's life; `None` if that was its last.
pub(super) fn forwarded(mut packet: Vec<u8>) -> Option<Vec<u8>> {
    let at = if packet.first()? >> 4 == 4 { 8 } else { 7 };
    let left = packet.get_mut(at)?;
    *left = left.checked_sub(1).filter(|left| *left > 0)?;
    Some(packet)
}

/// Where the transport header lies, and of which protocol. `None` for fragments and what cannot be read.
fn transport(packet: &[u8]) -> Option<(u8, usize)> {
    if packet.first()? >> 4 == 4 {
        let whole = word(packet, 6)? & 0x3fff == 0;
        return whole.then_some((*packet.get(9)?, usize::from(packet[0] & 0x0f) * 4));
    }
    let (mut protocol, mut at) = (*packet.get(6)?, 40);
    loop {
        let length = |unit: usize, more: usize| Some((usize::from(*packet.get(at + 1)?) + more) * unit);
        let skip = match protocol {
            HOP_BY_HOP | ROUTING | DESTINATION => length(8, 1)?,
            AUTHENTICATION => length(4, 2)?,
            FRAGMENT => return None,
            _ => return Some((protocol, at)),
        };
        protocol = *packet.get(at)?;
        at += skip;
    }
}

/// What a packet means to connection tracking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    /// It belongs to the connection of this tuple, and may begin it.
    Begins(Tuple),
    /// It belongs to one, but cannot begin it.
    Continues(Tuple),
    /// An ICMP error about the packet that it quotes from this offset on.
    Error(usize),
    /// A fragment, or nothing that could be read: it is not translated.
    Nothing,
}

/// Reads a packet as connection tracking does.
pub(super) fn meaning(packet: &[u8]) -> Meaning {
    let read = || {
        let (protocol, at) = transport(packet)?;
        let v6 = packet[0] >> 4 == 6;
        if let (ICMP, false) | (ICMPV6, true) = (protocol, v6) {
            return icmp(packet, at, v6);
        }
        let tuple = tuple(packet, protocol, at)?;
        // SYN with ACK, and RST, begin nothing (nf_conntrack_proto_tcp.c).
        let flags = if protocol == TCP { *packet.get(at + 13)? } else { 0 };
        Some(match flags & 0x12 == 0x12 || flags & 0x04 != 0 {
            true => Meaning::Continues(tuple),
            false => Meaning::Begins(tuple),
        })
    };
    read().unwrap_or(Meaning::Nothing)
}

fn icmp(packet: &[u8], at: usize, v6: bool) -> Option<Meaning> {
    let kind = *packet.get(at)?;
    let (request, reply, errors) = if v6 { (128, 129, 1..=4) } else { (8, 0, 3..=12) };
    let tuple = tuple(packet, if v6 { ICMPV6 } else { ICMP }, at)?;
    Some(match kind {
        kind if kind == request => Meaning::Begins(tuple),
        kind if kind == reply => Meaning::Continues(tuple),
        // Of IPv4's range: unreachable, time exceeded, parameter problem.
        kind if errors.contains(&kind) && (v6 || matches!(kind, 3 | 11 | 12)) => Meaning::Error(at + 8),
        _ => Meaning::Nothing,
    })
}

/// The ends of what an ICMP error quotes from `at` on.
pub(super) fn quoted(packet: &[u8], at: usize) -> Option<Tuple> {
    let inner = packet.get(at..)?;
    addresses(inner)?;
    let (protocol, l4) = transport(inner)?;
    // Of ICMP only echoes are tracked here.
    if matches!(protocol, ICMP | ICMPV6) && ![0, 8, 128, 129].contains(inner.get(l4)?) {
        return None;
    }
    tuple(inner, protocol, l4)
}

fn tuple(packet: &[u8], protocol: u8, at: usize) -> Option<Tuple> {
    let (src, dst) = addresses(packet)?;
    let (from, to) = match protocol {
        TCP | UDP | SCTP => {
            packet.get(at..at + 8)?;
            (word(packet, at)?, word(packet, at + 2)?)
        }
        ICMP | ICMPV6 => {
            packet.get(at..at + 8)?;
            (word(packet, at + 4)?, word(packet, at + 4)?)
        }
        _ => (0, 0),
    };
    Some(Tuple { src: (src, from), dst: (dst, to), protocol })
}

/// Gives a packet, or the one quoted from `at` on, these ends.
pub(super) fn rewrite(packet: &mut [u8], at: usize, ends: &Tuple) {
    let Some(inner) = packet.get_mut(at..) else { return };
    let Some((protocol, l4)) = transport(inner) else { return };
    rewrite_addresses(inner, ends.src.0, ends.dst.0);
    let mut put = |at: usize, port: u16| {
        if let Some(field) = inner.get_mut(at..at + 2) {
            field.copy_from_slice(&port.to_be_bytes());
        }
    };
    match protocol {
        TCP | UDP | SCTP => {
            put(l4, ends.src.1);
            put(l4 + 2, ends.dst.1);
        }
        ICMP | ICMPV6 => put(l4 + 4, ends.src.1),
        _ => {}
    }
}

/// Gives a packet these addresses, which are of its family.
pub(super) fn rewrite_addresses(packet: &mut [u8], src: IpAddr, dst: IpAddr) {
    let start = if packet.first().is_some_and(|b| b >> 4 == 4) { 12 } else { 8 };
    let octets: Vec<u8> = [src, dst].into_iter().flat_map(octets).collect();
    if let Some(field) = packet.get_mut(start..start + octets.len()) {
        field.copy_from_slice(&octets);
    }
}

/// As they lie in a packet.
pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

fn word(packet: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]))
}

fn v4(packet: &[u8], at: usize) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(packet.get(at..at + 4)?).ok().map(Ipv4Addr::from)
}

fn v6(packet: &[u8], at: usize) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(packet.get(at..at + 16)?).ok().map(Ipv6Addr::from)
}

/// A packet in one line.
pub(super) fn describe(packet: &[u8], f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    match (addresses(packet), meaning(packet)) {
        (_, Meaning::Begins(t) | Meaning::Continues(t)) => {
            write!(f, "{} {} -> {} {} proto {}", t.src.0, t.src.1, t.dst.0, t.dst.1, t.protocol)
        }
        (Some((src, dst)), Meaning::Error(_)) => write!(f, "{src} -> {dst} ICMP error"),
        (Some((src, dst)), Meaning::Nothing) => write!(f, "{src} -> {dst}, untracked"),
        (None, _) => write!(f, "{} bytes, unreadable", packet.len()),
    }
}
