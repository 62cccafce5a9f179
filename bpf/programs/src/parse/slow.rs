//! Everything but whole TCP and UDP behind a plain header: options, fragments, extension headers, other protocols,
//! and what is too short. Addresses have been read already.
use super::{Ipv6, Tcp, Udp};
use crate::bytes::{Skb, copy, length};
use crate::packet::{Packet, fragment, protocol, sctp, shape};

/// Extension headers walked before a packet counts as unparseable.
const EXTENSIONS: u32 = 8;
/// More fragments (IPv4), as it lies behind byte order.
const V4_MORE: u16 = 0x2000;
const V4_OFFSET: u16 = 0x1fff;

/// Where a transport header lies and where its packet ends.
#[derive(Clone, Copy)]
struct Span {
    at: u32,
    end: u32,
}

/// # Safety
/// `packet` is valid or null.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn rf_ipv4(skb: Skb, l3: u32, packet: *mut Packet) -> u32 {
    // SAFETY: as above.
    if let Some(packet) = unsafe { packet.as_mut() } {
        ipv4(skb, l3, packet);
    }
    0
}

/// # Safety
/// `packet` is valid or null.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn rf_ipv6(skb: Skb, l3: u32, packet: *mut Packet) -> u32 {
    // SAFETY: as above.
    if let Some(packet) = unsafe { packet.as_mut() } {
        ipv6(skb, l3, packet);
    }
    0
}

#[inline(always)]
fn ipv4(skb: Skb, l3: u32, packet: &mut Packet) {
    packet.shape = shape::BROKEN;
    let mut header = [0u16; 5];
    if !copy(skb, l3, &mut header) {
        return;
    }
    let words = u32::from(header[0].to_ne_bytes()[0] & 0x0f);
    let len = length(skb);
    // 0 is a segment longer than 64 KiB, which the kernel will cut before any wire.
    let end = if header[1] == 0 { len } else { l3 + u32::from(u16::from_be(header[1])) };
    let span = Span { at: l3 + words * 4, end };
    if words < 5 || end < span.at || end > len {
        return;
    }
    packet.fragment_id = u32::from(header[2]);
    packet.fragment_protocol = packet.protocol;
    let field = u16::from_be(header[3]);
    fragmented(skb, packet, span, field & V4_OFFSET, field & V4_MORE != 0, false);
}

#[inline(always)]
fn ipv6(skb: Skb, l3: u32, packet: &mut Packet) {
    packet.shape = shape::BROKEN;
    let mut payload = 0u16;
    if !copy(skb, l3 + 4, &mut payload) {
        return;
    }
    let len = length(skb);
    // 0 is a jumbogram (RFC 2675), which here is a segment the kernel will cut before any wire.
    let end =
        if payload == 0 { len } else { l3 + size_of::<Ipv6>() as u32 + u32::from(u16::from_be(payload)) };
    if end > len {
        return;
    }
    let mut at = l3 + size_of::<Ipv6>() as u32;
    for _ in 0..=EXTENSIONS {
        let mut header = [0u8; 4];
        match packet.protocol {
            protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION | protocol::AUTHENTICATION => {
                if at + 8 > end || !copy(skb, at, &mut header) {
                    return;
                }
                if packet.protocol == protocol::ROUTING && header[3] != 0 {
                    return;
                }
                at += match packet.protocol {
                    protocol::AUTHENTICATION => (u32::from(header[1]) + 2) * 4,
                    _ => (u32::from(header[1]) + 1) * 8,
                };
                packet.protocol = header[0];
            }
            protocol::FRAGMENT => {
                let mut id = 0u32;
                if packet.fragment != fragment::NONE
                    || at + 8 > end
                    || !copy(skb, at, &mut header)
                    || !copy(skb, at + 4, &mut id)
                {
                    return;
                }
                packet.protocol = header[0];
                packet.fragment_id = id;
                packet.fragment_protocol = header[0];
                let field = u16::from_be_bytes([header[2], header[3]]);
                at += 8;
                if field >> 3 != 0 {
                    return fragmented(skb, packet, Span { at, end }, field >> 3, true, true);
                }
                packet.fragment = if field & 1 != 0 { fragment::FIRST } else { fragment::NONE };
            }
            _ => return transport(skb, packet, Span { at, end }),
        }
    }
}

/// A transport header, or what follows one in a later fragment. `offset` counts eight bytes.
#[inline(always)]
fn fragmented(skb: Skb, packet: &mut Packet, span: Span, offset: u16, more: bool, v6: bool) {
    if offset == 0 {
        packet.fragment = if more { fragment::FIRST } else { fragment::NONE };
        return transport(skb, packet, span);
    }
    packet.fragment = fragment::LATER;
    // Such a fragment would overwrite the flags of the first (RFC 1858, RFC 3128).
    if packet.protocol == protocol::TCP && offset <= 2 {
        return;
    }
    packet.shape = if v6 && hides(packet.protocol) { shape::LATER_HIDDEN } else { shape::LATER };
}

/// Whether an IPv6 header of this number is followed by another that says the protocol.
#[inline(always)]
fn hides(protocol: u8) -> bool {
    matches!(
        protocol,
        protocol::HOP_BY_HOP
            | protocol::ROUTING
            | protocol::DESTINATION
            | protocol::AUTHENTICATION
            | protocol::FRAGMENT
    )
}

/// What is judged by of the transport header at `span`.
#[inline(always)]
fn transport(skb: Skb, packet: &mut Packet, span: Span) {
    packet.transport = span.at;
    let room = span.end.saturating_sub(span.at);
    match packet.protocol {
        protocol::TCP => {
            let mut header = Tcp { src: 0, dst: 0, sequence: [0; 4], offset: 0, flags: 0 };
            if (room as usize) < size_of::<Tcp>() || !copy(skb, span.at, &mut header) {
                return;
            }
            (packet.src_port, packet.dst_port, packet.kind) = (header.src, header.dst, header.flags);
        }
        protocol::UDP | protocol::SCTP => {
            let mut header = Udp { src: 0, dst: 0, length: 0, checksum: 0 };
            if (room as usize) < size_of::<Udp>() || !copy(skb, span.at, &mut header) {
                return;
            }
            (packet.src_port, packet.dst_port) = (header.src, header.dst);
            if packet.protocol == protocol::SCTP {
                let mut chunk = sctp::UNREAD;
                // Behind the common header of twelve bytes. One that is not there opens nothing.
                let read = room > 12 && copy(skb, span.at + 12, &mut chunk);
                packet.kind = if read { chunk } else { sctp::UNREAD };
            }
        }
        protocol::ICMP if packet.v6 == 0 => icmp(skb, packet, span.at, room, 8, 0),
        protocol::ICMPV6 if packet.v6 != 0 => icmp(skb, packet, span.at, room, 128, 129),
        _ => packet.shape = shape::WHOLE,
    }
    if matches!(packet.protocol, protocol::TCP | protocol::UDP | protocol::SCTP) {
        packet.shape = shape::WHOLE;
    }
}

/// ICMP of either family: type, and the identifier of an echo.
#[inline(always)]
fn icmp(skb: Skb, packet: &mut Packet, at: u32, room: u32, request: u8, reply: u8) {
    let mut header = [0u16; 4];
    if room < 8 || !copy(skb, at, &mut header) {
        return;
    }
    packet.kind = header[0].to_ne_bytes()[0];
    if packet.kind == request || packet.kind == reply {
        (packet.src_port, packet.dst_port) = (header[2], header[2]);
    }
    packet.shape = shape::WHOLE;
}
