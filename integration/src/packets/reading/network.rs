//! IPv4 and IPv6 headers, fragments, extension headers.
use super::transport::transport;
use super::{Reading, Shape, address, word};
use std::net::Ipv4Addr;

/// A packet of at least 20 bytes.
pub(super) fn v4(packet: &[u8]) -> Reading {
    let header = usize::from(packet[0] & 0x0f) * 4;
    let stated = usize::from(word(packet, 2));
    let (field, protocol) = (word(packet, 6), packet[9]);
    let (offset, more) = (field & 0x1fff, field & 0x2000 != 0);
    let contradicts = header < 20 || stated < header || stated > packet.len();
    let mut reading = Reading {
        src: Ipv4Addr::new(packet[12], packet[13], packet[14], packet[15]).into(),
        dst: Ipv4Addr::new(packet[16], packet[17], packet[18], packet[19]).into(),
        hop_limit: packet[8],
        shape: Shape::Unreadable,
        fragment: (offset != 0 || more).then_some((u32::from(word(packet, 4)), protocol)),
        first: offset == 0 && more,
        quoted: None,
        contradicts,
        lengthless: false,
    };
    if contradicts {
        return reading;
    }
    if offset == 0 {
        transport(&mut reading, &packet[..stated], header, protocol);
    } else if protocol != 6 || offset > 2 {
        reading.shape = Shape::Later(protocol);
    }
    reading
}

/// A packet of at least 40 bytes.
pub(super) fn v6(packet: &[u8]) -> Reading {
    let stated = 40 + usize::from(word(packet, 4));
    let mut reading = Reading {
        src: address(&packet[8..24]),
        dst: address(&packet[24..40]),
        hop_limit: packet[7],
        shape: Shape::Unreadable,
        fragment: None,
        first: false,
        quoted: None,
        contradicts: stated > packet.len() || (stated == 40 && packet[6] == 0),
        lengthless: stated == 40,
    };
    if !reading.contradicts {
        extensions(&mut reading, &packet[..stated]);
    }
    reading
}

/// Walks extension headers up to the transport header or a later fragment.
fn extensions(reading: &mut Reading, packet: &[u8]) {
    let (mut next, mut at) = (packet[6], 40);
    for _ in 0..8 {
        if ![0, 43, 44, 51, 60].contains(&next) {
            return transport(reading, packet, at, next);
        }
        let Some(header) = packet.get(at..at + 8) else { return };
        match next {
            44 if reading.fragment.is_some() => return,
            44 => {
                let (offset, more) = (word(header, 2) >> 3, header[3] & 1 != 0);
                if offset != 0 || more {
                    let id = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
                    reading.fragment = Some((id, header[0]));
                    reading.first = offset == 0;
                }
                if offset != 0 {
                    let hides = [0, 43, 44, 51, 60].contains(&header[0]);
                    if !hides && (header[0] != 6 || offset > 2) {
                        reading.shape = Shape::Later(header[0]);
                    }
                    return;
                }
                at += 8;
            }
            43 if header[3] != 0 => return,
            51 => at += (usize::from(header[1]) + 2) * 4,
            _ => at += (usize::from(header[1]) + 1) * 8,
        }
        next = header[0];
    }
    if ![0, 43, 44, 51, 60].contains(&next) {
        transport(reading, packet, at, next);
    }
}
