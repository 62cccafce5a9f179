//! The packet that an ICMP error quotes: at least its IP header and eight bytes (RFC 792, RFC 4443).
use super::{Ipv4, Ipv6};
use crate::bytes::{Skb, copy};
use crate::packet::{Located, Packet, fragment, protocol, shape, tcp};
use ringfence_abi::Addr;

/// Turns an ICMP error into the packet it quotes. False if that cannot be told; `packet` is then of no use.
#[inline(never)]
pub(crate) fn quoted(skb: Skb, packet: &mut Packet) -> bool {
    let at = packet.transport + 8;
    let l4 = if packet.v6 == 0 { ipv4(skb, at, packet) } else { ipv6(skb, at, packet) };
    packet.shape = shape::WHOLE;
    packet.fragment = fragment::NONE;
    packet.src_port = 0;
    packet.dst_port = 0;
    l4 != 0 && ports(skb, l4, packet)
}

/// Offset of the quoted transport header, 0 if there is none.
#[inline(always)]
fn ipv4(skb: Skb, at: u32, packet: &mut Packet) -> u32 {
    let mut header = Ipv4 {
        version_ihl: 0,
        tos: 0,
        total_length: 0,
        id: 0,
        fragment: 0,
        ttl: 0,
        protocol: 0,
        checksum: 0,
        src: 0,
        dst: 0,
    };
    if !copy(skb, at, &mut header) || header.version_ihl >> 4 != 4 {
        return 0;
    }
    packet.src = Located::at(Addr::from_v4_word(header.src));
    packet.dst = Located::at(Addr::from_v4_word(header.dst));
    packet.protocol = header.protocol;
    let words = u32::from(header.version_ihl & 0x0f);
    if words < 5 || u16::from_be(header.fragment) & 0x1fff != 0 { 0 } else { at + words * 4 }
}

/// As [`ipv4`]; of extension headers only the fragment header is passed over.
#[inline(always)]
fn ipv6(skb: Skb, at: u32, packet: &mut Packet) -> u32 {
    let mut header =
        Ipv6 { version: 0, flow: [0; 3], payload_length: 0, next_header: 0, hop_limit: 0, src: [0; 4], dst: [0; 4] };
    if !copy(skb, at, &mut header) || header.version >> 4 != 6 {
        return 0;
    }
    packet.src = Located::at(Addr { words: header.src });
    packet.dst = Located::at(Addr { words: header.dst });
    packet.protocol = header.next_header;
    let l4 = at + size_of::<Ipv6>() as u32;
    if packet.protocol != protocol::FRAGMENT {
        return l4;
    }
    let mut extension = [0u8; 4];
    if !copy(skb, l4, &mut extension) || u16::from_be_bytes([extension[2], extension[3]]) >> 3 != 0 {
        return 0;
    }
    packet.protocol = extension[0];
    l4 + 8
}

#[inline(always)]
fn ports(skb: Skb, l4: u32, packet: &mut Packet) -> bool {
    let mut words = [0u16; 4];
    match packet.protocol {
        protocol::TCP | protocol::UDP | protocol::SCTP => {
            if !copy(skb, l4, &mut words) {
                return false;
            }
            (packet.src_port, packet.dst_port) = (words[0], words[1]);
            // Eight bytes do not reach the flags. What is quoted is looked up, and never opens anything.
            packet.kind = if packet.protocol == protocol::TCP { tcp::ACK } else { 0 };
        }
        protocol::ICMP | protocol::ICMPV6 => {
            if !copy(skb, l4, &mut words) {
                return false;
            }
            packet.kind = words[0].to_ne_bytes()[0];
            if matches!(packet.kind, 0 | 8 | 128 | 129) {
                (packet.src_port, packet.dst_port) = (words[2], words[2]);
            }
        }
        _ => {}
    }
    true
}
