//! What most packets are: TCP or UDP between two pods of this node, in the middle of a connection. Here they pass, if
//! that can be told from the pods' entries, policy and a flow that was just found; a packet of which anything else must
//! be known, found or written goes the long way, which alone drops. Nothing passes here that would not pass there.
use crate::bytes::Skb;
use crate::flow::{Exchange, recent};
use crate::hints;
use crate::judge::allows;
use crate::maps::near;
use crate::mistake::mistaken;
use crate::parse::{Ports, ends, family, goes_on, ports_of};
use crate::verdict::{count, mark, stamp};
use ringfence_abi::{Addr, Counter, EndpointValue, Mark, Origin, Recent};

/// A pod's packet that may enter the node, stamped.
#[inline(always)]
pub(super) fn leaves(skb: Skb) -> bool {
    match family(skb) {
        Some(true) => rf_leaves_v6(skb) != 0,
        Some(false) => leaves_by(skb, false),
        None => false,
    }
}

/// A packet that its pod may have.
#[inline(always)]
pub(super) fn enters(skb: Skb) -> bool {
    match family(skb) {
        Some(true) => rf_enters_v6(skb) != 0,
        Some(false) => enters_by(skb, false),
        None => false,
    }
}

// Functions of their own: what is not called for takes no room in the processor's cache, nor on the stack that the long
// way needs.

/// See [`leaves`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn rf_leaves_v6(skb: Skb) -> u32 {
    u32::from(leaves_by(skb, true))
}

/// See [`enters`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn rf_enters_v6(skb: Skb) -> u32 {
    u32::from(enters_by(skb, true))
}

#[inline(always)]
fn leaves_by(skb: Skb, v6: bool) -> bool {
    // SAFETY: `skb` is the program's context.
    let ifindex = unsafe { (*skb).ifindex };
    let Some(pod) = near(ifindex) else { return false };
    let Some(ends) = ends(skb, v6) else { return false };
    // P2 comes first, and who is shut off sends nothing.
    if pod.flags != 0 || !bears(pod, &ends.src, v6) {
        return false;
    }
    if !goes_on(skb, v6, &ends) {
        return false;
    }
    let Some(target) = near(hints::local(&ends.dst)) else { return false };
    if !bears(target, &ends.dst, v6) {
        return false;
    }
    let origin =
        if pod.ingress_profile | pod.egress_profile == 0 { Origin::FreePod } else { Origin::LocalPod };
    let entered = Mark::entered(origin);
    // What both pods' policy says is asked at the target's veth; only a reply must be known here.
    if pod.egress_profile | target.ingress_profile == 0 || !hints::replies(ifindex) {
        stamp(skb, entered);
        return true;
    }
    if rf_replies(skb, u32::from(v6), pod.id, target.id) == 0 {
        return false;
    }
    stamp(skb, entered.with(Mark::JUDGED));
    true
}

/// Whether the packet is a reply on a flow between these pods that was just found.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn rf_replies(skb: Skb, v6: u32, sender: u32, receiver: u32) -> u32 {
    let v6 = v6 != 0;
    let Some(ends) = ends(skb, v6) else { return 0 };
    let Some(ports) = ports_of(skb, v6, &ends) else { return 0 };
    u32::from(goes_on_between(sender, receiver, &ports, v6, Recent::REPLY))
}

#[inline(always)]
fn enters_by(skb: Skb, v6: bool) -> bool {
    // SAFETY: `skb` is the program's context.
    let ifindex = unsafe { (*skb).ifindex };
    let Some(pod) = near(ifindex) else { return false };
    let Some(ends) = ends(skb, v6) else { return false };
    if pod.flags != 0 || !bears(pod, &ends.dst, v6) {
        return false;
    }
    let (mark, free) = (mark(skb), pod.ingress_profile | pod.egress_profile == 0);
    let origin = mark.origin();
    if mark.0 & Mark::JUDGED == Mark::JUDGED {
        return !origin.answers_node();
    }
    match origin {
        Origin::FreePod if free => true,
        Origin::FreePod | Origin::LocalPod => {
            mark.0 & Mark::JUDGED == 0 && rf_admitted(skb, u32::from(v6)) != 0
        }
        Origin::Peer => free || mark.ingress_judged(),
        // SAFETY: as above.
        Origin::None => unsafe { (*skb).ingress_ifindex == 0 },
        Origin::Outside | Origin::PodToNode | Origin::FreePodToNode => false,
    }
}

/// Whether another pod's packet that nothing has judged yet may be had.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn rf_admitted(skb: Skb, v6: u32) -> u32 {
    u32::from(admitted(skb, v6 != 0).unwrap_or(false))
}

#[inline(always)]
fn admitted(skb: Skb, v6: bool) -> Option<bool> {
    // SAFETY: as above.
    let (ifindex, came_by) = unsafe { ((*skb).ifindex, (*skb).ingress_ifindex) };
    if came_by == ifindex {
        return None;
    }
    let ends = ends(skb, v6)?;
    let ports = ports_of(skb, v6, &ends)?;
    let (source, target) = (near(came_by)?, near(ifindex)?);
    Some(source.flags == 0 && bears(source, &ends.src, v6) && judged(source, target, &ports, v6))
}

/// Whether a flow says that both pods' policy admits the packet or, where replies need none, policy itself.
#[inline(always)]
fn judged(source: &EndpointValue, target: &EndpointValue, ports: &Ports, v6: bool) -> bool {
    if mistaken!(ShortWayAsksNobody) {
        return true;
    }
    if source.ingress_profile | target.egress_profile != 0 {
        return goes_on_between(source.id, target.id, ports, v6, 0);
    }
    let (port, egress) = (u32::from(ports.dst), source.egress_profile);
    let ingress = target.ingress_profile;
    (egress == 0 || allows(egress, class(target, v6), ports.protocol, port))
        && (ingress == 0 || allows(ingress, class(source, v6), ports.protocol, port))
}

/// Whether the packet belongs to a flow between these pods that was just found.
#[inline(always)]
fn goes_on_between(sender: u32, receiver: u32, ports: &Ports, v6: bool, kind: u32) -> bool {
    let (what, ports) = (Exchange::what(ports.protocol, v6, kind), Exchange::ports(ports.src, ports.dst));
    let found = recent(&Exchange { sender, receiver, ports, what });
    if found {
        count(Counter::FlowHit);
    }
    found
}

/// Whether an address, which is not 0, is the pod's.
#[inline(always)]
fn bears(pod: &EndpointValue, addr: &Addr, v6: bool) -> bool {
    // What is an IPv4 address ends in something else than 0, and "no address" does not.
    if v6 { *addr == pod.v6 } else { addr.words[3] == pod.v4.words[3] }
}

#[inline(always)]
fn class(pod: &EndpointValue, v6: bool) -> u32 {
    if v6 { pod.class_v6 } else { pod.class_v4 }
}
