//! Verdicts and counters.
use crate::bytes::Skb;
use crate::globals::mark_shift;
use crate::maps::RF_COUNTERS;
use crate::mistake::mistaken;
use crate::packet::{Packet, shape};
use ringfence_abi::{Counter, Mark, Reason};

/// `TC_ACT_UNSPEC`: the next program, or the default, which is to pass.
pub(crate) const PASS: i32 = -1;
/// `TC_ACT_SHOT`.
const DROP: i32 = 2;

#[inline(always)]
fn add(index: u32) {
    if let Some(counter) = RF_COUNTERS.get_ptr_mut(index) {
        // SAFETY: this CPU's own slot; programs of this kind do not interrupt each other on one CPU.
        unsafe { *counter += 1 }
    }
}

/// Counts one.
#[inline(always)]
pub(crate) fn count(counter: Counter) {
    add(counter as u32);
}

/// Drops, for a reason.
#[inline(always)]
pub(crate) fn drop(reason: Reason) -> i32 {
    rf_drop(reason as u32)
}

/// See [`drop`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn rf_drop(reason: u32) -> i32 {
    add(reason);
    DROP
}

/// Drops what policy does not allow, or what could not be judged because of its shape.
#[inline(always)]
pub(crate) fn deny(packet: &Packet, reason: Reason) -> i32 {
    rf_drop(match packet.shape {
        shape::WHOLE => reason as u32,
        shape::BROKEN => Reason::Malformed as u32,
        _ => Reason::FragmentUnknown as u32,
    })
}

/// Our bits of the packet's mark.
#[inline(always)]
pub(crate) fn mark(skb: Skb) -> Mark {
    // SAFETY: `skb` is the program's context.
    Mark::read(unsafe { (*skb).mark }, mark_shift())
}

/// Replaces them.
#[inline(always)]
pub(crate) fn stamp(skb: Skb, mark: Mark) {
    let mark = if mistaken!(MarkBelieved) { Mark(mark.0 | (self::mark(skb).0 & Mark::JUDGED)) } else { mark };
    // SAFETY: as above; classifiers may write the mark.
    unsafe { (*skb).mark = mark.write((*skb).mark, mark_shift()) }
}
