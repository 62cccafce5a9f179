//! What saves lookups. Nothing is decided by a hint: it is checked, or only says that something is not there.
use crate::maps::RF_HINTS;
use ringfence_abi::{Addr, Hint};

#[inline(always)]
fn at(index: u32) -> Option<*mut Hint> {
    RF_HINTS.get_ptr_mut(index & (Hint::LEN - 1))
}

/// The last two bytes of an address, which differ between the pods of a node.
#[inline(always)]
fn ending(addr: &Addr) -> u32 {
    addr.words[3] >> 16
}

/// The veth of the pod that may live at an address, or 0.
#[inline(always)]
pub(crate) fn local(addr: &Addr) -> u32 {
    // SAFETY: an element of an array; one load, and any value will do.
    at(ending(addr)).map_or(0, |hint| unsafe { (*hint).local })
}

/// Remembers it.
#[inline(always)]
pub(crate) fn learn_local(addr: &Addr, ifindex: u32) {
    if let Some(hint) = at(ending(addr)) {
        // SAFETY: as above; one store.
        unsafe { (*hint).local = ifindex };
    }
}

/// Whether a pod may have anything to reply to: a flow that leads to it was made, or it has accepted a connection.
#[inline(always)]
pub(crate) fn replies(ifindex: u32) -> bool {
    // SAFETY: as above.
    at(ifindex).is_some_and(|hint| unsafe { (*hint).replies } != 0)
}

/// Remembers it for good. Read first, so that the line stays shared between CPUs.
#[inline(always)]
pub(crate) fn learn_replies(ifindex: u32) {
    if let Some(hint) = at(ifindex) {
        // SAFETY: as above.
        unsafe {
            if (*hint).replies == 0 {
                (*hint).replies = 1;
            }
        }
    }
}

/// Whether flows lead to this port (network byte order) of a pod, so that what it sends from there may be a reply.
#[inline(always)]
pub(crate) fn served(ifindex: u32, port: u16) -> bool {
    let name = served_at(ifindex, port);
    // SAFETY: as above.
    at(name ^ (name >> 16)).is_some_and(|hint| unsafe { (*hint).served } == name)
}

/// Remembers it.
#[inline(always)]
pub(crate) fn learn_served(ifindex: u32, port: u16) {
    let name = served_at(ifindex, port);
    if let Some(hint) = at(name ^ (name >> 16)) {
        // SAFETY: as above.
        unsafe {
            if (*hint).served != name {
                (*hint).served = name;
            }
        }
    }
}

/// A pod's port, as far as a word can name it.
#[inline(always)]
fn served_at(ifindex: u32, port: u16) -> u32 {
    (ifindex << 16) | u32::from(port)
}
