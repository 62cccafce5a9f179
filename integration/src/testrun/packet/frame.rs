//! From a [`Packet`] to bytes.
use super::{Extension, Packet};
use std::net::IpAddr;

const ETHERNET: [u8; 12] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];

/// Protocol numbers of extension headers (RFC 8200, RFC 4302).
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

impl Packet {
    /// As an Ethernet frame.
    pub fn frame(&self) -> Vec<u8> {
        let ethertype: [u8; 2] = if self.src.is_ipv6() { [0x86, 0xdd] } else { [0x08, 0x00] };
        [&ETHERNET[..], &ethertype, &self.ip()].concat()
    }

    /// A frame of another kind: this EtherType and arbitrary bytes.
    pub fn frame_of(ethertype: u16, payload: &[u8]) -> Vec<u8> {
        [&ETHERNET[..], &ethertype.to_be_bytes(), payload].concat()
    }

    /// As an ARP request.
    pub fn arp() -> Vec<u8> {
        let mut payload = vec![0, 1, 8, 0, 6, 4, 0, 1];
        payload.extend([0; 20]);
        Self::frame_of(0x0806, &payload)
    }

    /// The IP packet alone.
    pub fn ip(&self) -> Vec<u8> {
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => self.ipv4(src.octets(), dst.octets()),
            (src, dst) => self.ipv6(v6(src), v6(dst)),
        }
    }

    fn ipv4(&self, src: [u8; 4], dst: [u8; 4]) -> Vec<u8> {
        let words = 5 + self.options.div_ceil(4);
        let length = self.length.unwrap_or((words * 4 + self.payload.len()) as u16);
        let (id, field) = match self.fragment {
            Some(of) => (of.id as u16, of.offset | if of.more { 0x2000 } else { 0 }),
            None => (0, 0x4000),
        };
        let mut out = vec![0x40 | words as u8, 0];
        out.extend(length.to_be_bytes());
        out.extend(id.to_be_bytes());
        out.extend(field.to_be_bytes());
        out.extend([self.hop_limit, self.protocol, 0, 0]);
        out.extend(src);
        out.extend(dst);
        // No-operation options.
        out.extend(vec![1; (words - 5) * 4]);
        out.extend(&self.payload);
        out
    }

    fn ipv6(&self, src: [u8; 16], dst: [u8; 16]) -> Vec<u8> {
        let mut headers: Vec<Header> = self.extensions.iter().map(|of| Header::of(*of)).collect();
        if let Some(of) = self.fragment {
            let field = of.offset << 3 | u16::from(of.more);
            let mut rest = vec![0];
            rest.extend(field.to_be_bytes());
            rest.extend(of.id.to_be_bytes());
            headers.push(Header { protocol: FRAGMENT, rest });
        }
        // A later fragment carries none of what stands behind the fragment header but its number.
        let later = self.fragment.is_some_and(|of| of.offset != 0);
        let inner: Vec<Header> = self.inner_extensions.iter().map(|of| Header::of(*of)).collect();
        let behind = inner.first().map_or(self.protocol, |header| header.protocol);
        let numbers: Vec<u8> = headers.iter().map(|header| header.protocol).collect();
        let mut body = Vec::new();
        let mut all = headers;
        let last = if later {
            behind
        } else {
            all.extend(inner);
            self.protocol
        };
        let chain: Vec<u8> = all.iter().map(|header| header.protocol).chain([last]).collect();
        for (header, next) in all.iter().zip(&chain[1..]) {
            body.push(*next);
            body.extend(&header.rest);
        }
        body.extend(&self.payload);
        let first = numbers.first().copied().or(chain.first().copied()).unwrap_or(self.protocol);
        let mut out = vec![0x60, 0, 0, 0];
        out.extend(self.length.unwrap_or(body.len() as u16).to_be_bytes());
        out.extend([first, self.hop_limit]);
        out.extend(src);
        out.extend(dst);
        out.extend(body);
        out
    }
}

/// An extension header without its first byte, which names the next.
struct Header {
    protocol: u8,
    rest: Vec<u8>,
}

impl Header {
    fn of(extension: Extension) -> Self {
        let (protocol, rest) = match extension {
            Extension::HopByHop => (HOP_BY_HOP, vec![0, 1, 4, 0, 0, 0, 0]),
            // Sixteen bytes: one unit of eight beyond the first.
            Extension::Destination => (DESTINATION, [&[1, 1, 12][..], &[0; 12]].concat()),
            Extension::Routing(left) => (ROUTING, vec![0, 0, left, 0, 0, 0, 0]),
            // Twelve bytes of header and integrity value: length in words minus two.
            Extension::Authentication => (AUTHENTICATION, [&[4, 0, 0][..], &[0; 20]].concat()),
        };
        Self { protocol, rest }
    }
}

fn v6(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V6(ip) => ip.octets(),
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
    }
}
