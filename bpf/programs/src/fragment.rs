//! Later fragments follow their first: they take its ports.
use crate::flow::{SECOND, now};
use crate::hooks::memory;
use crate::maps::RF_FRAGMENTS;
use crate::mistake::mistaken;
use crate::packet::{Packet, fragment, shape};
use crate::verdict::count;
use ringfence_abi::{Addr, Counter, FragmentKey, FragmentValue};

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
    let key = place(packet, hook as u8);
    if packet.fragment == fragment::FIRST {
        if packet.whole() {
            let value = FragmentValue {
                seen: now(),
                src: packet.src.addr,
                dst: packet.dst.addr,
                id: packet.fragment_id,
                src_port: packet.src_port,
                dst_port: packet.dst_port,
                kind: packet.kind,
                protocol: packet.protocol,
                fragment_protocol: packet.fragment_protocol,
                pad: [0; 5],
            };
            let _ = RF_FRAGMENTS.insert(&key, &value, 0);
        }
        return;
    }
    if packet.shape == shape::BROKEN {
        return;
    }
    // SAFETY: an LRU value may be recycled under us for another datagram. The loads race with that only under a flood
    // of fragments, so at worst one fragment is judged by a stranger's ports and its datagram never reassembles.
    let Some(first) = (unsafe { RF_FRAGMENTS.get(&key) }) else { return };
    let same = first.id == packet.fragment_id
        && first.fragment_protocol == packet.fragment_protocol
        && first.dst == packet.dst.addr
        && first.src == packet.src.addr;
    if !same || now().saturating_sub(first.seen) > LIFE {
        return;
    }
    packet.src_port = first.src_port;
    packet.dst_port = first.dst_port;
    packet.kind = first.kind;
    packet.protocol = first.protocol;
    packet.shape = shape::WHOLE;
    count(Counter::FragmentFollowed);
}

/// Where a datagram is remembered. A source is who it claims to be (P2) but off the underlay.
#[inline(always)]
fn place(packet: &Packet, hook: u8) -> FragmentKey {
    let (src, dst) = (&packet.src.addr, &packet.dst.addr);
    let named =
        packet.fragment_id ^ (u32::from(packet.fragment_protocol) << 16) ^ dst.words[3] ^ dst.words[2];
    // The upper bits are the ones that all bits below take part in.
    let mixed = |named: u32, places: u32| named.wrapping_mul(0x9e37_79b1) >> (32 - places.ilog2());
    if hook == memory::UNDERLAY_INGRESS {
        let named = named.wrapping_mul(0x85eb_ca6b) ^ src.words[3] ^ src.words[2];
        let place = mixed(named, FragmentKey::PLACES_OUTSIDE);
        return FragmentKey { src: Addr::NONE, place, hook, pad: [0; 3] };
    }
    FragmentKey { src: *src, place: mixed(named, FragmentKey::PLACES), hook, pad: [0; 3] }
}
