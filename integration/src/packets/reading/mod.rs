//! A packet read slowly, from the RFCs and the documented limits: what the oracle goes by.
//!
//! RFC 791 (IPv4), RFC 8200 (IPv6), RFC 4302 (AH), RFC 9293 (TCP), RFC 768 (UDP), RFC 9260 (SCTP), RFC 792 and RFC 4443
//! (ICMP). Documented limits: at most eight extension headers; a routing header with segments left, a TCP fragment that
//! would overwrite the flags, and a transport header that is not all there count as unreadable.
mod network;
mod transport;

use network::{v4, v6};
use std::net::{IpAddr, Ipv6Addr};
use transport::is_error;

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

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(a) if a.to_ipv4_mapped().is_some())
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn address(bytes: &[u8]) -> IpAddr {
    <[u8; 16]>::try_from(bytes).map_or(Ipv6Addr::UNSPECIFIED, Ipv6Addr::from).into()
}
