//! A packet read slowly, from the RFCs and the documented limits: what the oracle goes by.
//!
//! RFC 791 (IPv4), RFC 8200 (IPv6), RFC 4302 (AH), RFC 9293 (TCP), RFC 768 (UDP), RFC 9260 (SCTP), RFC 792 and RFC 4443
//! (ICMP). Documented limits: at most eight extension headers; a routing header with segments left, a TCP fragment that
//! would overwrite the flags, and a transport header that is not all there count as unreadable.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a packet says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reading {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// How much of the transport header could be read.
    pub shape: Shape,
    /// Part of a fragmented datagram: identification, and the protocol that goes with it.
    pub fragment: Option<(u32, u8)>,
    /// The first part of it.
    pub first: bool,
    /// The packet that an ICMP error quotes, as far as it could be read.
    pub quoted: Option<Quoted>,
    /// The IP header's lengths contradict each other or the packet: no network layer takes it.
    pub contradicts: bool,
    /// IPv6 says that it has no payload, as packets of more than 64 KiB do inside a host.
    pub lengthless: bool,
}

/// How much of the transport header could be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// All that matters.
    Whole(Transport),
    /// A later fragment: the protocol, no ports.
    Later(u8),
    /// Nothing, not even the protocol.
    Unreadable,
}

/// Ends of one packet: also the name of a connection. Ports are 0 where the protocol has none; an echo's identifier is both.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flow {
    /// Source.
    pub src: (IpAddr, u16),
    /// Destination.
    pub dst: (IpAddr, u16),
    /// IP protocol number.
    pub protocol: u8,
}

/// What an ICMP error quotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quoted {
    /// Its ends.
    pub flow: Flow,
    /// Of ICMP its type, else 0.
    pub kind: u8,
}

/// A transport header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transport {
    /// IP protocol number.
    pub protocol: u8,
    /// Source port.
    pub from: u16,
    /// Destination port.
    pub to: u16,
    /// TCP flags, ICMP type, first SCTP chunk; else 0.
    pub kind: u8,
}

/// What a packet does to a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Can only be its first: SYN, INIT.
    Opens,
    /// May be its first or any other: UDP, echo request, protocols without connections.
    Either,
    /// Can only be an answer: SYN with ACK, INIT ACK, echo reply.
    Answers,
    /// Somewhere in the middle: TCP and SCTP without any of these.
    Middle,
    /// An ICMP error, which has no connection of its own.
    Error,
}

impl Flow {
    /// The other way.
    pub fn reversed(self) -> Self {
        Self { src: self.dst, dst: self.src, protocol: self.protocol }
    }
}

impl Reading {
    /// Reads what follows the link header of a frame of this EtherType. `None`: not even its addresses can be read.
    pub fn of(ethertype: u16, packet: &[u8]) -> Option<Self> {
        match (ethertype, packet.first()? >> 4) {
            (0x0800, 4) if packet.len() >= 20 => Some(v4(packet)),
            // IPv4 addresses in IPv6's form do not belong on any wire, and would pass for IPv4's.
            (0x86dd, 6) if packet.len() >= 40 => {
                Some(v6(packet)).filter(|r| !is_mapped(r.src) && !is_mapped(r.dst))
            }
            _ => None,
        }
    }

    /// Its ends, if they could be read.
    pub fn flow(&self) -> Option<Flow> {
        let Shape::Whole(t) = self.shape else { return None };
        Some(Flow { src: (self.src, t.from), dst: (self.dst, t.to), protocol: t.protocol })
    }

    /// Its transport header, if it could be read.
    pub fn transport(&self) -> Option<Transport> {
        if let Shape::Whole(t) = self.shape { Some(t) } else { None }
    }

    /// What it does to a connection. `None` if that could not be read.
    pub fn role(&self) -> Option<Role> {
        let t = self.transport()?;
        Some(match (t.protocol, t.kind) {
            (6, flags) if flags & 0x12 == 0x02 => Role::Opens,
            (6, flags) if flags & 0x12 == 0x12 => Role::Answers,
            (132, 1) => Role::Opens,
            (132, 2) => Role::Answers,
            (6 | 132, _) => Role::Middle,
            (1, 0) if self.src.is_ipv4() => Role::Answers,
            (58, 129) if self.src.is_ipv6() => Role::Answers,
            _ if is_error(self.src.is_ipv6(), t) => Role::Error,
            _ => Role::Either,
        })
    }

    /// A message of ICMPv6 of this type.
    pub fn icmpv6(&self) -> Option<u8> {
        let t = self.transport().filter(|t| t.protocol == 58 && self.src.is_ipv6())?;
        Some(t.kind)
    }
}

/// Unreachable and too big, time exceeded, parameter problem.
fn is_error(v6: bool, t: Transport) -> bool {
    match (v6, t.protocol) {
        (false, 1) => [3, 11, 12].contains(&t.kind),
        (true, 58) => (1..=4).contains(&t.kind),
        _ => false,
    }
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(a) if a.to_ipv4_mapped().is_some())
}

fn v4(packet: &[u8]) -> Reading {
    let header = usize::from(packet[0] & 0x0f) * 4;
    let stated = usize::from(word(packet, 2));
    let (field, protocol) = (word(packet, 6), packet[9]);
    let (offset, more) = (field & 0x1fff, field & 0x2000 != 0);
    let contradicts = header < 20 || stated < header || stated > packet.len();
    let mut reading = Reading {
        src: Ipv4Addr::new(packet[12], packet[13], packet[14], packet[15]).into(),
        dst: Ipv4Addr::new(packet[16], packet[17], packet[18], packet[19]).into(),
        hop_limit: packet[8],
        shape: Shape::Unreadable,
        fragment: (offset != 0 || more).then_some((u32::from(word(packet, 4)), protocol)),
        first: offset == 0 && more,
        quoted: None,
        contradicts,
        lengthless: false,
    };
    if contradicts {
        return reading;
    }
    if offset == 0 {
        transport(&mut reading, &packet[..stated], header, protocol);
    } else if protocol != 6 || offset > 2 {
        reading.shape = Shape::Later(protocol);
    }
    reading
}

fn v6(packet: &[u8]) -> Reading {
    let stated = 40 + usize::from(word(packet, 4));
    let mut reading = Reading {
        src: address(&packet[8..24]),
        dst: address(&packet[24..40]),
        hop_limit: packet[7],
        shape: Shape::Unreadable,
        fragment: None,
        first: false,
        quoted: None,
        contradicts: stated > packet.len() || (stated == 40 && packet[6] == 0),
        lengthless: stated == 40,
    };
    if !reading.contradicts {
        extensions(&mut reading, &packet[..stated]);
    }
    reading
}

/// Walks extension headers up to the transport header or a later fragment.
fn extensions(reading: &mut Reading, packet: &[u8]) {
    let (mut next, mut at) = (packet[6], 40);
    for _ in 0..8 {
        if ![0, 43, 44, 51, 60].contains(&next) {
            return transport(reading, packet, at, next);
        }
        let Some(header) = packet.get(at..at + 8) else { return };
        match next {
            44 if reading.fragment.is_some() => return,
            44 => {
                let (offset, more) = (word(header, 2) >> 3, header[3] & 1 != 0);
                if offset != 0 || more {
                    let id = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
                    reading.fragment = Some((id, header[0]));
                    reading.first = offset == 0;
                }
                if offset != 0 {
                    let hides = [0, 43, 44, 51, 60].contains(&header[0]);
                    if !hides && (header[0] != 6 || offset > 2) {
                        reading.shape = Shape::Later(header[0]);
                    }
                    return;
                }
                at += 8;
            }
            43 if header[3] != 0 => return,
            51 => at += (usize::from(header[1]) + 2) * 4,
            _ => at += (usize::from(header[1]) + 1) * 8,
        }
        next = header[0];
    }
    if ![0, 43, 44, 51, 60].contains(&next) {
        transport(reading, packet, at, next);
    }
}

fn transport(reading: &mut Reading, packet: &[u8], at: usize, protocol: u8) {
    let body = packet.get(at..).unwrap_or_default();
    let v6 = reading.src.is_ipv6();
    let icmp = protocol == if v6 { 58 } else { 1 };
    let needed = match protocol {
        6 => 14,
        17 | 132 => 8,
        _ if icmp => 8,
        _ => 0,
    };
    if body.len() < needed {
        return;
    }
    let (mut from, mut to, mut kind) = (0, 0, 0);
    match protocol {
        6 | 17 | 132 => {
            (from, to) = (word(body, 0), word(body, 2));
            kind = match protocol {
                6 => body[13],
                132 => body.get(12).copied().unwrap_or(0xff),
                _ => 0,
            };
        }
        _ if icmp => {
            kind = body[0];
            let echo = if v6 { [128, 129] } else { [8, 0] };
            if echo.contains(&kind) {
                (from, to) = (word(body, 4), word(body, 4));
            }
        }
        _ => {}
    }
    let read = Transport { protocol, from, to, kind };
    if is_error(v6, read) {
        reading.quoted = quoted(&body[8..], v6);
    }
    reading.shape = Shape::Whole(read);
}

/// The ends of a quoted packet, of which eight bytes behind its header are enough.
fn quoted(packet: &[u8], v6: bool) -> Option<Quoted> {
    let (src, dst, mut protocol, mut at): (IpAddr, IpAddr, u8, usize) = if v6 {
        let header = packet.get(..40).filter(|p| p[0] >> 4 == 6)?;
        (address(&header[8..24]), address(&header[24..40]), header[6], 40)
    } else {
        let header = packet.get(..20).filter(|p| p[0] >> 4 == 4 && p[0] & 0x0f >= 5)?;
        if word(header, 6) & 0x1fff != 0 {
            return None;
        }
        let octets = |i: usize| Ipv4Addr::new(header[i], header[i + 1], header[i + 2], header[i + 3]);
        (octets(12).into(), octets(16).into(), header[9], usize::from(header[0] & 0x0f) * 4)
    };
    if v6 && protocol == 44 {
        // A first fragment, or the only one.
        let header = packet.get(at..at + 8).filter(|h| word(h, 2) >> 3 == 0)?;
        (protocol, at) = (header[0], at + 8);
    }
    let body = packet.get(at..at + 8).unwrap_or_default();
    let (mut from, mut to, mut kind) = (0, 0, 0);
    match protocol {
        6 | 17 | 132 => (from, to) = (word(body.get(..8)?, 0), word(body, 2)),
        1 | 58 => {
            kind = body.get(..8)?[0];
            if [0, 8, 128, 129].contains(&kind) {
                (from, to) = (word(body, 4), word(body, 4));
            }
        }
        _ => {}
    }
    Some(Quoted { flow: Flow { src: (src, from), dst: (dst, to), protocol }, kind })
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn address(bytes: &[u8]) -> IpAddr {
    <[u8; 16]>::try_from(bytes).map_or(Ipv6Addr::UNSPECIFIED, Ipv6Addr::from).into()
}
