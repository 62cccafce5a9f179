//! In which role a pod has used its TCP and SCTP ports: tells who opened a connection met in mid-stream.
use crate::hints::learn_replies;
use crate::maps::RF_ROLES;
use crate::packet::{Packet, protocol, sctp, tcp};
use aya_ebpf::bindings::BPF_NOEXIST;
use ringfence_abi::PortRoles;

/// Notes it, from what the pod itself sends. Only packets that open or accept cost anything.
#[inline(always)]
pub(crate) fn record(ifindex: u32, packet: &Packet) {
    let opens = match packet.protocol {
        protocol::TCP if packet.kind & tcp::SYN != 0 => packet.kind & tcp::ACK == 0,
        protocol::SCTP if packet.kind == sctp::INIT => true,
        protocol::SCTP if packet.kind == sctp::INIT_ACK => false,
        _ => return,
    };
    if packet.whole() {
        if !opens {
            learn_replies(ifindex);
        }
        rf_set_role(ifindex, u32::from(packet.src_port), u32::from(opens));
    }
}

/// What a pod begins with: too big for a stack, so kept where values of maps may be copied from.
static NEW: PortRoles = PortRoles::NEW;

/// See [`record`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn rf_set_role(ifindex: u32, port: u32, opens: u32) -> u32 {
    match RF_ROLES.get_ptr_mut(&ifindex) {
        Some(roles) => mark(roles, port, opens != 0),
        None => begin(ifindex, port, opens != 0),
    }
    0
}

/// The pod's first connection. If there is no room, its lost connections will not be taken up again: no harm else.
#[inline(always)]
fn begin(ifindex: u32, port: u32, opens: bool) {
    let _ = RF_ROLES.insert(&ifindex, &NEW, u64::from(BPF_NOEXIST));
    if let Some(roles) = RF_ROLES.get_ptr_mut(&ifindex) {
        mark(roles, port, opens);
    }
}

#[inline(always)]
fn mark(roles: *mut PortRoles, port: u32, opens: bool) {
    let (word, bit) = place(port);
    // SAFETY: a value of the table, live in this run; `word` is within the array.
    let at = unsafe { if opens { &raw mut (*roles).opened[word] } else { &raw mut (*roles).accepted[word] } };
    // SAFETY: as above. Tested first, so that a busy server's line stays shared between CPUs.
    if unsafe { at.read() } & bit == 0 {
        or(at, bit);
    }
}

/// An atomic or: the compiler believes that this target has one thread, but every CPU runs it.
#[inline(always)]
fn or(at: *mut u64, bit: u64) {
    // SAFETY: `at` is valid for a write of eight bytes, see `set`.
    unsafe {
        core::arch::asm!("lock *(u64 *)({at} + 0) |= {bit}", at = in(reg) at, bit = in(reg) bit);
    }
}

/// Whether the pod has opened connections from this port (network byte order) and never accepted one there.
#[inline(always)]
pub(crate) fn only_opened(ifindex: u32, port: u16) -> bool {
    rf_role(ifindex, u32::from(port)) == OPENED
}

/// Whether it has accepted connections at this port and never opened one from there.
#[inline(always)]
pub(crate) fn only_accepted(ifindex: u32, port: u16) -> bool {
    rf_role(ifindex, u32::from(port)) == ACCEPTED
}

const OPENED: u32 = 1;
const ACCEPTED: u32 = 2;

/// The two as bits.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn rf_role(ifindex: u32, port: u32) -> u32 {
    // SAFETY: not preallocated, so live in this run; words are read whole.
    let Some(roles) = (unsafe { RF_ROLES.get(&ifindex) }) else { return 0 };
    let roles: &PortRoles = roles;
    let (word, bit) = place(port);
    let opened = if roles.opened[word] & bit != 0 { OPENED } else { 0 };
    let accepted = if roles.accepted[word] & bit != 0 { ACCEPTED } else { 0 };
    opened | accepted
}

#[inline(always)]
fn place(port: u32) -> (usize, u64) {
    let port = u16::from_be(port as u16);
    (usize::from(port >> 6), 1u64 << (port & 63))
}
