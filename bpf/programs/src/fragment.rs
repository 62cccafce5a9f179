//! Later fragments follow their first: they take its ports.
use crate::flow::{SECOND, now};
use crate::maps::RF_FRAGMENTS;
use crate::mistake::mistaken;
use crate::packet::{Packet, fragment, shape};
use crate::verdict::count;
use ringfence_abi::{Counter, FragmentKey, FragmentValue};

/// The kernel gives up reassembly after this (`net.ipv4.ipfrag_time`).
const LIFE: u64 = 30 * SECOND;

/// Remembers the ports of a first fragment, or gives a later one those of its first. Each hook has its own memory,
/// since addresses may change between two.
#[inline(always)]
pub(crate) fn follow(packet: &mut Packet, hook: u8) {
    if packet.fragment != fragment::NONE && !mistaken!(FragmentsForgotten) {
        // SAFETY: a reference is a valid pointer.
        unsafe { rf_fragment(packet, u32::from(hook)) };
    }
}

/// See [`follow`].
///
/// # Safety
/// `packet` is valid or null.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn rf_fragment(packet: *mut Packet, hook: u32) -> u32 {
    // SAFETY: as above.
    if let Some(packet) = unsafe { packet.as_mut() } {
        track(packet, hook);
    }
    0
}

#[inline(always)]
fn track(packet: &mut Packet, hook: u32) {
    let key = FragmentKey {
        src: packet.src.addr,
        dst: packet.dst.addr,
        id: packet.fragment_id,
        protocol: packet.fragment_protocol,
        hook: hook as u8,
        pad: [0; 2],
    };
    if packet.fragment == fragment::FIRST {
        if packet.whole() {
            let value = FragmentValue {
                seen: now(),
                src_port: packet.src_port,
                dst_port: packet.dst_port,
                kind: packet.kind,
                protocol: packet.protocol,
                pad: [0; 2],
            };
            let _ = RF_FRAGMENTS.insert(&key, &value, 0);
        }
        return;
    }
    if packet.shape == shape::BROKEN {
        return;
    }
    // SAFETY: an LRU value may be recycled under us for another datagram. The loads race with that only under a flood
    // of fragments, and the key of a recycled one differs, so at worst one fragment is judged by a stranger's ports and
    // its datagram never reassembles.
    let Some(first) = (unsafe { RF_FRAGMENTS.get(&key) }) else { return };
    if now().saturating_sub(first.seen) > LIFE {
        return;
    }
    packet.src_port = first.src_port;
    packet.dst_port = first.dst_port;
    packet.kind = first.kind;
    packet.protocol = first.protocol;
    packet.shape = shape::WHOLE;
    count(Counter::FragmentFollowed);
}
