//! What an Ethernet frame on the underlay is.
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Machines of a lab have MAC addresses `02:52:46:00:NN:NN`; number 1 is the outside, nodes come behind it.
const LAB_MAC: [u8; 4] = [0x02, 0x52, 0x46, 0x00];
const OUTSIDE: u16 = 1;

/// A frame, as far as it matters who could read it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Whether both ends of the wire are nodes, or it goes from a node to many.
    pub between_nodes: bool,
    /// What it is.
    pub kind: Kind,
}

/// What a frame is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// UDP from one of WireGuard's ports to one, with a message of WireGuard in it.
    Wireguard,
    /// ARP.
    Arp,
    /// A node's word that nobody listens on one of WireGuard's ports (its device was deleted): it quotes ciphertext.
    Unreachable,
    /// Neighbour and router discovery, multicast listener reports (ICMPv6 130 to 137 and 143).
    Neighbours,
    /// Any other IP packet.
    Clear {
        /// IP source.
        source: IpAddr,
        /// IP destination.
        destination: IpAddr,
        /// IP protocol; of IPv6 the first next header.
        protocol: u8,
        /// First bytes behind the IP header.
        payload: Vec<u8>,
    },
    /// Anything else.
    Other(u16),
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Clear { source, destination, protocol, payload } => {
                write!(f, "{source} > {destination} protocol {protocol}: {}", payload.escape_ascii())
            }
            other => write!(f, "{other:?}"),
        }
    }
}

impl Frame {
    /// Reads a frame. WireGuard's ports are `ports`. `None` if it is cut short.
    pub fn parse(bytes: &[u8], ports: &[u16]) -> Option<Self> {
        let (to, from) = (number(bytes.get(..6)?), number(bytes.get(6..12)?));
        let is_node = |number: Option<u16>| number.is_some_and(|n| n > OUTSIDE);
        let to_many = bytes[0] & 1 == 1;
        let between_nodes = is_node(from) && (is_node(to) || to_many);
        let packet = bytes.get(14..)?;
        let kind = match u16::from_be_bytes([bytes[12], bytes[13]]) {
            0x0800 => ipv4(packet, ports)?,
            0x86dd => ipv6(packet, ports)?,
            0x0806 => Kind::Arp,
            other => Kind::Other(other),
        };
        Some(Self { between_nodes, kind })
    }
}

fn number(mac: &[u8]) -> Option<u16> {
    mac.starts_with(&LAB_MAC).then(|| u16::from_be_bytes([mac[4], mac[5]]))
}

fn ipv4(packet: &[u8], ports: &[u16]) -> Option<Kind> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let address = |at: usize| -> Option<IpAddr> {
        let bytes: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(bytes).into())
    };
    Some(transport(*packet.get(9)?, address(12)?, address(16)?, packet.get(header..)?, ports))
}

fn ipv6(packet: &[u8], ports: &[u16]) -> Option<Kind> {
    let address = |at: usize| -> Option<IpAddr> {
        let bytes: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
        Some(Ipv6Addr::from(bytes).into())
    };
    let (mut next, mut payload) = (*packet.get(6)?, packet.get(40..)?);
    // A multicast listener report has a hop-by-hop header in front (RFC 3810, section 5).
    if next == 0 && payload.first() == Some(&58) {
        (next, payload) = (58, payload.get(8..)?);
    }
    Some(transport(next, address(8)?, address(24)?, payload, ports))
}

fn transport(protocol: u8, source: IpAddr, destination: IpAddr, payload: &[u8], ports: &[u16]) -> Kind {
    let port = |at: usize| Some(u16::from_be_bytes([*payload.get(at)?, *payload.get(at + 1)?]));
    let is = |at: usize| port(at).is_some_and(|p| ports.contains(&p));
    // Message type 1 to 4 and three bytes of zero (the WireGuard paper, section 5.4).
    let message = matches!(payload.get(8..12), Some([1..=4, 0, 0, 0]));
    if protocol == 17 && is(0) && is(2) && message {
        return Kind::Wireguard;
    }
    if protocol == 58 && matches!(payload.first(), Some(130..=137 | 143)) {
        return Kind::Neighbours;
    }
    // ICMP type 3 code 3, ICMPv6 type 1 code 4, each with the packet it is about behind 8 bytes.
    let quoted = match (protocol, payload) {
        (1, [3, 3, ..]) => payload.get(8..).and_then(|p| ipv4(p, ports)),
        (58, [1, 4, ..]) => payload.get(8..).and_then(|p| ipv6(p, ports)),
        _ => None,
    };
    if quoted == Some(Kind::Wireguard) {
        return Kind::Unreachable;
    }
    Kind::Clear { source, destination, protocol, payload: payload.iter().take(64).copied().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp(from: u8, to: u8, source_port: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = [&LAB_MAC[..], &[0, to], &LAB_MAC[..], &[0, from], &[0x08, 0x00]].concat();
        let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
        header.extend([172, 30, 0, from, 172, 30, 0, to]);
        frame.extend(header);
        frame.extend(source_port.to_be_bytes());
        frame.extend(51871u16.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(payload);
        frame
    }

    #[test]
    fn wireguard_is_told_from_what_only_uses_its_port() {
        let kind = |frame: Vec<u8>| Frame::parse(&frame, &[51871, 51872]).unwrap().kind;
        assert_eq!(kind(udp(2, 3, 51871, &[4, 0, 0, 0, 9])), Kind::Wireguard);
        assert!(matches!(kind(udp(2, 3, 51871, b"GET / HTTP/1.1")), Kind::Clear { .. }));
        assert!(matches!(kind(udp(2, 3, 40000, &[4, 0, 0, 0, 9])), Kind::Clear { .. }));
    }

    #[test]
    fn the_outside_is_no_node() {
        let between = |from, to| Frame::parse(&udp(from, to, 1, b""), &[]).unwrap().between_nodes;
        assert!(between(2, 3));
        assert!(!between(2, 1));
        assert!(!between(1, 2));
    }
}
