//! Packets as bytes. Checksums are left zero: the programs do not look at them, for the stacks at both ends do.
mod frame;
mod icmp;
mod transport;

pub use icmp::{Echo, is_v6};

use std::net::IpAddr;

/// TCP flags.
pub mod flags {
    /// FIN.
    pub const FIN: u8 = 0x01;
    /// SYN.
    pub const SYN: u8 = 0x02;
    /// RST.
    pub const RST: u8 = 0x04;
    /// ACK.
    pub const ACK: u8 = 0x10;
}

/// IP protocol numbers.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// Generic routing encapsulation: a protocol without ports.
    pub const GRE: u8 = 47;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
}

/// IPv6 extension headers that can be put in front of the transport header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extension {
    /// Hop-by-hop options.
    HopByHop,
    /// Destination options.
    Destination,
    /// A routing header with this many segments left.
    Routing(u8),
    /// An authentication header.
    Authentication,
}

/// Position in a fragmented datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// Identification.
    pub id: u32,
    /// Offset in units of eight bytes.
    pub offset: u16,
    /// More fragments follow.
    pub more: bool,
}

/// One packet, to be bent as a test wants it before it becomes a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Source.
    pub src: IpAddr,
    /// Destination, of the same family.
    pub dst: IpAddr,
    /// Transport protocol.
    pub protocol: u8,
    /// Transport header and payload.
    pub payload: Vec<u8>,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// IPv6 extension headers in their order, in front of a fragment header.
    pub extensions: Vec<Extension>,
    /// IPv6 extension headers behind the fragment header.
    pub inner_extensions: Vec<Extension>,
    /// IPv4 options, bytes (padded to words).
    pub options: usize,
    /// Part of a datagram.
    pub fragment: Option<Fragment>,
    /// What the IP header gives as its length, if not the truth.
    pub length: Option<u16>,
}

impl Packet {
    /// With this transport header and payload.
    pub fn new(src: IpAddr, dst: IpAddr, protocol: u8, payload: Vec<u8>) -> Self {
        Self {
            src,
            dst,
            protocol,
            payload,
            hop_limit: 64,
            extensions: Vec::new(),
            inner_extensions: Vec::new(),
            options: 0,
            fragment: None,
            length: None,
        }
    }

    /// Any protocol without ports.
    pub fn other(src: IpAddr, dst: IpAddr, protocol: u8) -> Self {
        Self::new(src, dst, protocol, vec![0xab; 24])
    }

    /// With another TTL or hop limit.
    pub fn hop_limit(mut self, hop_limit: u8) -> Self {
        self.hop_limit = hop_limit;
        self
    }

    /// With IPv6 extension headers.
    pub fn extensions(mut self, extensions: &[Extension]) -> Self {
        self.extensions = extensions.to_vec();
        self
    }

    /// With IPv4 options of so many bytes.
    pub fn options(mut self, bytes: usize) -> Self {
        self.options = bytes;
        self
    }

    /// As the first fragment of a datagram.
    pub fn first_fragment(mut self, id: u32) -> Self {
        self.fragment = Some(Fragment { id, offset: 0, more: true });
        self
    }

    /// As a later fragment of the same datagram, `offset` in units of eight bytes: payload without a transport header.
    pub fn later_fragment(mut self, id: u32, offset: u16) -> Self {
        self.fragment = Some(Fragment { id, offset, more: false });
        self.payload = vec![0xcd; 32];
        self
    }

    /// With only so many bytes of transport header and payload, and an IP length that says so.
    pub fn cut(mut self, bytes: usize) -> Self {
        self.payload.truncate(bytes);
        self
    }
}
