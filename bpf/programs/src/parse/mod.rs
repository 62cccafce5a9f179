//! From bytes to [`Packet`]: the common shapes straight from linear memory, all others by the slow path.
mod brief;
mod link;
mod quoted;
mod slow;

pub(crate) use brief::{Ports, ends, goes_on, ports_of};
pub(crate) use link::{Link, ethernet, family, mesh, underlay};
pub(crate) use quoted::quoted;

use crate::bytes::{Skb, direct, linearize};
use crate::packet::{Located, Packet, protocol, shape};
use ringfence_abi::Addr;

/// IPv4 header without options (RFC 791), fields in network byte order.
#[repr(C)]
struct Ipv4 {
    version_ihl: u8,
    tos: u8,
    total_length: u16,
    id: u16,
    fragment: u16,
    ttl: u8,
    protocol: u8,
    checksum: u16,
    src: u32,
    dst: u32,
}

/// IPv6 header (RFC 8200), fields in network byte order.
#[repr(C)]
struct Ipv6 {
    version: u8,
    flow: [u8; 3],
    payload_length: u16,
    next_header: u8,
    hop_limit: u8,
    src: [u32; 4],
    dst: [u32; 4],
}

/// TCP up to the flags, or the start of anything shorter.
#[repr(C)]
struct Tcp {
    src: u16,
    dst: u16,
    sequence: [u16; 4],
    offset: u8,
    flags: u8,
}

#[repr(C)]
struct Udp {
    src: u16,
    dst: u16,
    length: u16,
    checksum: u16,
}

/// IPv6 header and the TCP header up to its flags.
const ENOUGH: usize = size_of::<Ipv6>() + size_of::<Tcp>();

/// Reads the IP packet at `l3`, a constant offset. False if not even its addresses can be read.
#[inline(always)]
pub(crate) fn ip(skb: Skb, l3: usize, v6: bool, packet: &mut Packet) -> bool {
    linearize(skb, (l3 + ENOUGH) as u32);
    if v6 { ipv6(skb, l3, packet) } else { ipv4(skb, l3, packet) }
}

#[inline(always)]
fn ipv4(skb: Skb, l3: usize, packet: &mut Packet) -> bool {
    let Some(header) = direct::<Ipv4>(skb, l3) else { return false };
    // SAFETY: `direct` has checked the bounds; BPF reads unaligned words.
    let header = unsafe { &*header };
    if header.version_ihl >> 4 != 4 {
        return false;
    }
    packet.v6 = 0;
    packet.src = Located::at(Addr::from_v4_word(header.src));
    packet.dst = Located::at(Addr::from_v4_word(header.dst));
    packet.protocol = header.protocol;
    packet.hop_limit = header.ttl;
    let plain = header.version_ihl == 0x45 && u16::from_be(header.fragment) & 0x3fff == 0;
    let length = u16::from_be(header.total_length);
    if plain
        && usize::from(length) >= size_of::<Ipv4>() + size_of::<Tcp>()
        && ports(skb, l3 + size_of::<Ipv4>(), packet)
    {
        return true;
    }
    // SAFETY: a reference is a valid pointer.
    unsafe { slow::rf_ipv4(skb, l3 as u32, packet) };
    true
}

#[inline(always)]
fn ipv6(skb: Skb, l3: usize, packet: &mut Packet) -> bool {
    let Some(header) = direct::<Ipv6>(skb, l3) else { return false };
    // SAFETY: as in `ipv4`.
    let header = unsafe { &*header };
    if header.version >> 4 != 6 {
        return false;
    }
    packet.v6 = 1;
    packet.src = Located::at(Addr { words: header.src });
    packet.dst = Located::at(Addr { words: header.dst });
    // On the wire such an address means nothing (RFC 4291, section 2.5.5.2 is about sockets), but in our tables it would
    // be somebody's IPv4 address.
    if packet.src.addr.is_v4() || packet.dst.addr.is_v4() {
        return false;
    }
    packet.protocol = header.next_header;
    packet.hop_limit = header.hop_limit;
    let length = u16::from_be(header.payload_length);
    if usize::from(length) >= size_of::<Tcp>() && ports(skb, l3 + size_of::<Ipv6>(), packet) {
        return true;
    }
    // SAFETY: a reference is a valid pointer.
    unsafe { slow::rf_ipv6(skb, l3 as u32, packet) };
    true
}

/// The ports of TCP or UDP at a constant offset. False: not such a packet, or a short one.
#[inline(always)]
fn ports(skb: Skb, l4: usize, packet: &mut Packet) -> bool {
    match packet.protocol {
        protocol::TCP => {
            let Some(header) = direct::<Tcp>(skb, l4) else { return false };
            // SAFETY: as in `ipv4`.
            let header = unsafe { &*header };
            (packet.src_port, packet.dst_port, packet.kind) = (header.src, header.dst, header.flags);
        }
        protocol::UDP => {
            let Some(header) = direct::<Udp>(skb, l4) else { return false };
            // SAFETY: as in `ipv4`.
            let header = unsafe { &*header };
            (packet.src_port, packet.dst_port) = (header.src, header.dst);
        }
        _ => return false,
    }
    packet.shape = shape::WHOLE;
    true
}
