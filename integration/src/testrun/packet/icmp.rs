//! ICMP of both families: echo, errors, neighbour discovery.
use super::{Packet, protocol};
use std::net::IpAddr;

/// Which half of an echo.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Echo {
    /// The question.
    Request,
    /// The answer.
    Reply,
}

/// Whether an address is IPv6.
pub fn is_v6(ip: IpAddr) -> bool {
    ip.is_ipv6()
}

impl Packet {
    /// An ICMP message of any type, with four bytes behind the checksum.
    pub fn icmp(src: IpAddr, dst: IpAddr, kind: u8, code: u8, rest: [u8; 4]) -> Self {
        let protocol = if is_v6(src) { protocol::ICMPV6 } else { protocol::ICMP };
        let mut message = vec![kind, code, 0, 0];
        message.extend(rest);
        message.extend([0x88; 24]);
        Self::new(src, dst, protocol, message)
    }

    /// An echo with this identifier.
    pub fn echo(src: IpAddr, dst: IpAddr, echo: Echo, id: u16) -> Self {
        let kind = match (is_v6(src), echo) {
            (false, Echo::Request) => 8,
            (false, Echo::Reply) => 0,
            (true, Echo::Request) => 128,
            (true, Echo::Reply) => 129,
        };
        let [a, b] = id.to_be_bytes();
        Self::icmp(src, dst, kind, 0, [a, b, 0, 1])
    }

    /// "Too big": IPv4 fragmentation needed, IPv6 packet too big, quoting a packet.
    pub fn too_big(src: IpAddr, dst: IpAddr, quoted: &Packet) -> Self {
        let (kind, code) = if is_v6(src) { (2, 0) } else { (3, 4) };
        Self::error(src, dst, kind, code, quoted)
    }

    /// Any error, quoting a packet.
    pub fn error(src: IpAddr, dst: IpAddr, kind: u8, code: u8, quoted: &Packet) -> Self {
        let mut packet = Self::icmp(src, dst, kind, code, [0, 0, 5, 0]);
        packet.payload.truncate(8);
        packet.payload.extend(quoted.ip());
        packet
    }

    /// Neighbour discovery (RFC 4861): this type, as it comes from the link itself.
    pub fn neighbour(src: IpAddr, dst: IpAddr, kind: u8) -> Self {
        Self::icmp(src, dst, kind, 0, [0; 4]).hop_limit(255)
    }
}
