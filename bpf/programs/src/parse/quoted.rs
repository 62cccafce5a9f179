//! The packet that an ICMP error quotes: at least its IP header and eight bytes (RFC 792, RFC 4443).
use crate::bytes::{Skb, copy};
use crate::packet::{Packet, fragment, protocol, shape, tcp};
use ringfence_abi::Addr;

/// Turns an ICMP error into the packet it quotes. False if that cannot be told, if it was not sent by who receives the
/// error, or, with `to_source`, if it was not sent to who reports it; `packet` is then of no use.
#[inline(always)]
pub(crate) fn quoted(skb: Skb, packet: &mut Packet, to_source: bool) -> bool {
    // SAFETY: a reference is a valid pointer.
    unsafe { rf_quoted(skb, packet, u32::from(to_source)) != 0 }
}

/// See [`quoted`].
///
/// # Safety
/// `packet` is valid or null.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn rf_quoted(skb: Skb, packet: *mut Packet, to_source: u32) -> u32 {
    // SAFETY: as above.
    unsafe { packet.as_mut() }.map_or(0, |packet| u32::from(read(skb, packet, to_source != 0)))
}

#[inline(always)]
fn read(skb: Skb, packet: &mut Packet, to_source: bool) -> bool {
    let at = packet.transport + 8;
    packet.src_port = 0;
    packet.dst_port = 0;
    packet.shape = shape::WHOLE;
    packet.fragment = fragment::NONE;
    let l4 = if packet.v6 == 0 { ipv4(skb, at, packet, to_source) } else { ipv6(skb, at, packet, to_source) };
    l4 != 0 && ports(skb, l4, packet)
}

/// The quoted source must be the error's destination. Then the ends are exchanged.
#[inline(always)]
fn turn(packet: &mut Packet, src: Addr, dst: Addr, to_source: bool) -> bool {
    if src != packet.dst.addr || (to_source && dst != packet.src.addr) {
        return false;
    }
    packet.src.addr = src;
    packet.dst.addr = dst;
    true
}

/// Offset of the quoted transport header, 0 if there is none to use. Offsets are RFC 791's.
#[inline(always)]
fn ipv4(skb: Skb, at: u32, packet: &mut Packet, to_source: bool) -> u32 {
    let mut start = [0u8; 12];
    let mut ends = [0u32; 2];
    if !copy(skb, at, &mut start) || !copy(skb, at + 12, &mut ends) || start[0] >> 4 != 4 {
        return 0;
    }
    let (words, offset) = (u32::from(start[0] & 0x0f), u16::from_be_bytes([start[6], start[7]]) & 0x1fff);
    packet.protocol = start[9];
    let turned = turn(packet, Addr::from_v4_word(ends[0]), Addr::from_v4_word(ends[1]), to_source);
    if !turned || words < 5 || offset != 0 { 0 } else { at + words * 4 }
}

/// As [`ipv4`], offsets RFC 8200's. Of extension headers only the fragment header is passed over.
#[inline(always)]
fn ipv6(skb: Skb, at: u32, packet: &mut Packet, to_source: bool) -> u32 {
    let mut start = [0u8; 8];
    let mut src = Addr::NONE;
    let mut dst = Addr::NONE;
    if !copy(skb, at, &mut start)
        || !copy(skb, at + 8, &mut src)
        || !copy(skb, at + 24, &mut dst)
        || start[0] >> 4 != 6
        || !turn(packet, src, dst, to_source)
    {
        return 0;
    }
    packet.protocol = start[6];
    if packet.protocol != protocol::FRAGMENT {
        return at + 40;
    }
    if !copy(skb, at + 40, &mut start) || u16::from_be_bytes([start[2], start[3]]) >> 3 != 0 {
        return 0;
    }
    packet.protocol = start[0];
    at + 48
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
        _ => packet.kind = 0,
    }
    true
}
