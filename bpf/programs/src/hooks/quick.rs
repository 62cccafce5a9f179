//! What most packets are: TCP or UDP between two pods of this node, in the middle of a connection. Here they pass, if
//! that can be told from the pods' entries, policy and a flow that was just found; a packet of which anything else must
//! be known, found or written goes the long way, which alone drops. Nothing passes here that would not pass there.
use crate::bytes::Skb;
use crate::flow::{Exchange, recent};
use crate::hints;
use crate::judge::allows;
use crate::maps::near;
use crate::parse::{Ports, ends, family, goes_on, ports_of};
use crate::verdict::{count, mark, stamp};
use ringfence_abi::{Addr, Counter, EndpointValue, Mark, Origin, Recent};

/// A pod's packet that may enter the node, stamped.
#[inline(always)]
pub(super) fn leaves(skb: Skb) -> bool {
    match family(skb) {
        Some(true) => leaves_by(skb, true),
        Some(false) => leaves_by(skb, false),
        None => false,
    }
}

/// A packet that its pod may have.
#[inline(always)]
pub(super) fn enters(skb: Skb) -> bool {
    match family(skb) {
        Some(true) => enters_by(skb, true),
        Some(false) => enters_by(skb, false),
        None => false,
    }
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
    let Some(ports) = ports_of(skb, v6, &ends) else { return false };
    if !recent(&exchange(pod, target, &ports, v6, Recent::REPLY)) {
        return false;
    }
    count(Counter::FlowHit);
    stamp(skb, entered.with(Mark::JUDGED));
    true
}

#[inline(always)]
fn enters_by(skb: Skb, v6: bool) -> bool {
    // SAFETY: `skb` is the program's context.
    let (ifindex, came_by) = unsafe { ((*skb).ifindex, (*skb).ingress_ifindex) };
    let Some(pod) = near(ifindex) else { return false };
    let Some(ends) = ends(skb, v6) else { return false };
    if pod.flags != 0 || !bears(pod, &ends.dst, v6) {
        return false;
    }
    let mark = mark(skb);
    if mark.0 & Mark::JUDGED == Mark::JUDGED {
        return true;
    }
    let free = pod.ingress_profile | pod.egress_profile == 0;
    match mark.origin() {
        Origin::None => came_by == 0,
        Origin::Peer => free || mark.ingress_judged(),
        Origin::FreePod if free => true,
        Origin::FreePod | Origin::LocalPod if mark.0 & Mark::JUDGED == 0 && came_by != ifindex => {
            let Some(ports) = ports_of(skb, v6, &ends) else { return false };
            let Some(source) = near(came_by) else { return false };
            source.flags == 0 && bears(source, &ends.src, v6) && judged(source, pod, &ports, v6)
        }
        _ => false,
    }
}

/// Whether a flow says that both pods' policy admits the packet or, where replies need none, policy itself.
#[inline(always)]
fn judged(source: &EndpointValue, target: &EndpointValue, ports: &Ports, v6: bool) -> bool {
    if source.ingress_profile | target.egress_profile != 0 {
        let recent = recent(&exchange(source, target, ports, v6, 0));
        if recent {
            count(Counter::FlowHit);
        }
        return recent;
    }
    let (port, egress) = (u32::from(ports.dst), source.egress_profile);
    let ingress = target.ingress_profile;
    (egress == 0 || allows(egress, class(target, v6), ports.protocol, port))
        && (ingress == 0 || allows(ingress, class(source, v6), ports.protocol, port))
}

#[inline(always)]
fn exchange(from: &EndpointValue, to: &EndpointValue, ports: &Ports, v6: bool, kind: u32) -> Exchange {
    Exchange {
        sender: from.id,
        receiver: to.id,
        ports: Exchange::ports(ports.src, ports.dst),
        what: Exchange::what(ports.protocol, v6, kind),
    }
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
