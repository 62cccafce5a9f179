//! Transport headers, and what ICMP errors quote.
use super::{Flow, Quoted, Reading, Shape, Transport, address, word};
use std::net::{IpAddr, Ipv4Addr};

/// Unreachable and too big, time exceeded, parameter problem.
pub(super) fn is_error(v6: bool, t: Transport) -> bool {
    match (v6, t.protocol) {
        (false, 1) => [3, 11, 12].contains(&t.kind),
        (true, 58) => (1..=4).contains(&t.kind),
        _ => false,
    }
}

/// Reads the header at this offset into the reading.
pub(super) fn transport(reading: &mut Reading, packet: &[u8], at: usize, protocol: u8) {
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
