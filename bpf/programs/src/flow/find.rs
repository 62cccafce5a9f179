//! Whether a packet belongs to a flow that policy still allows.
use super::key::directed;
use super::prove::allowed;
use super::time::{idle, now, touch};
use crate::icmp_error::is_error;
use crate::maps::RF_FLOWS;
use crate::mistake::mistaken;
use crate::packet::{Packet, protocol, sctp, tcp};
use crate::verdict::count;
use ringfence_abi::Counter;

/// What was found, as a number because subprograms return numbers.
pub(crate) struct Found;

impl Found {
    pub(crate) const NOTHING: u32 = 0;
    /// The packet comes from the end that opened the flow.
    pub(crate) const OPENER: u32 = 1;
    /// From the other end.
    pub(crate) const REPLY: u32 = 2;
    /// There is one, but policy has moved on since it last proved itself.
    const STALE: u32 = 3;
}

/// Stands for an end that cannot be told.
pub(crate) const ANYONE: u32 = u32::MAX;

/// Looks the flow up and has it prove itself if policy has moved on since. A packet that opens a connection belongs to
/// no flow: policy alone decides of it.
///
/// `sender` and `receiver` are the ids of the local pods at the packet's ends, 0 for none and [`ANYONE`] where it cannot be
/// known: a flow whose ends were other pods is not theirs.
#[inline(always)]
pub(crate) fn find(packet: &Packet, generation: u32, sender: u32, receiver: u32) -> u32 {
    // SAFETY: a reference is a valid pointer.
    let found = unsafe { rf_find(packet, generation, sender, receiver) };
    if found != Found::STALE {
        return found;
    }
    // SAFETY: as above.
    unsafe { rf_prove(packet, generation) }
}

/// See [`find`].
///
/// # Safety
/// `packet` is valid or null.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn rf_find(packet: *const Packet, generation: u32, sender: u32, receiver: u32) -> u32 {
    // SAFETY: as above.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return Found::NOTHING };
    if !packet.whole() || (opens(packet) && !mistaken!(SynIsReply)) {
        return Found::NOTHING;
    }
    let at = directed(packet);
    let Some(value) = RF_FLOWS.get_ptr_mut(&at.key) else { return Found::NOTHING };
    let now = now();
    // SAFETY: a value of the flow table, live in this run. If it is recycled for another flow meanwhile, that one was
    // made under the present policy, so nothing passes here that policy would refuse.
    let flow = unsafe { &*value };
    let opener = flow.opener_is_lo == at.from_lo;
    let (from, to) = if opener {
        (flow.opener_endpoint, flow.target_endpoint)
    } else {
        (flow.target_endpoint, flow.opener_endpoint)
    };
    let strangers = (sender != ANYONE && sender != from) || (receiver != ANYONE && receiver != to);
    if (strangers && !mistaken!(FlowOfStrangers)) || idle(&at.key, flow, now) || !plausible(packet, opener) {
        return Found::NOTHING;
    }
    if flow.generation != generation && !mistaken!(GenerationIgnored) {
        return Found::STALE;
    }
    touch(value, packet, !opener, now);
    if opener { Found::OPENER } else { Found::REPLY }
}

/// A flow that was found stale proves itself, or goes.
///
/// # Safety
/// `packet` is valid or null.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn rf_prove(packet: *const Packet, generation: u32) -> u32 {
    // SAFETY: as above.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return Found::NOTHING };
    let at = directed(packet);
    let Some(value) = RF_FLOWS.get_ptr_mut(&at.key) else { return Found::NOTHING };
    // SAFETY: as in `rf_find`.
    let flow = unsafe { &*value };
    if !allowed(flow, &at.key) {
        let _ = RF_FLOWS.remove(&at.key);
        count(Counter::FlowRevoked);
        return Found::NOTHING;
    }
    // SAFETY: as in `rf_find`.
    unsafe { (*value).generation = generation };
    let opener = flow.opener_is_lo == at.from_lo;
    touch(value, packet, !opener, now());
    if opener { Found::OPENER } else { Found::REPLY }
}

/// The first packet of a TCP connection or SCTP association.
#[inline(always)]
pub(super) fn opens(packet: &Packet) -> bool {
    match packet.protocol {
        protocol::TCP => packet.kind & (tcp::SYN | tcp::ACK) == tcp::SYN,
        protocol::SCTP => packet.kind == sctp::INIT,
        _ => false,
    }
}

/// An echo request comes from the opener only and its reply from the other end only: both ends may use one identifier.
/// An error has no flow of its own.
#[inline(always)]
fn plausible(packet: &Packet, opener: bool) -> bool {
    match (packet.protocol, packet.kind) {
        (protocol::ICMP, 8) | (protocol::ICMPV6, 128) => opener || mistaken!(EchoRequestIsReply),
        (protocol::ICMP, 0) | (protocol::ICMPV6, 129) => !opener,
        _ => !is_error(packet),
    }
}
