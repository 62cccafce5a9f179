//! The canonical 5-tuple.
use crate::packet::Packet;
use ringfence_abi::FlowKey;

/// A key, and which of its ends the packet comes from.
pub(super) struct Directed {
    pub(super) key: FlowKey,
    /// 1 if the lower end sent the packet.
    pub(super) from_lo: u8,
}

/// Orders the ends of a whole packet.
#[inline(always)]
pub(super) fn directed(packet: &Packet) -> Directed {
    let (a, b) = (&packet.src.addr.words, &packet.dst.addr.words);
    let ends = (packet.src_port, packet.dst_port);
    // The last word first: it settles IPv4 and most of IPv6 unequal, but the order must be that of all four.
    let lower = if a[0] != b[0] {
        a[0] < b[0]
    } else if a[1] != b[1] {
        a[1] < b[1]
    } else if a[2] != b[2] {
        a[2] < b[2]
    } else if a[3] != b[3] {
        a[3] < b[3]
    } else {
        ends.0 <= ends.1
    };
    let (lo, hi, lo_port, hi_port) = if lower {
        (packet.src.addr, packet.dst.addr, ends.0, ends.1)
    } else {
        (packet.dst.addr, packet.src.addr, ends.1, ends.0)
    };
    Directed {
        key: FlowKey { lo, hi, lo_port, hi_port, protocol: packet.protocol, pad: [0; 3] },
        from_lo: u8::from(lower),
    }
}
