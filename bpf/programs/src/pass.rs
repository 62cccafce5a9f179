//! What lets a packet pass that policy refuses, and what must be kept so that the reply may.
use crate::bytes::Skb;
use crate::flow::{Found, ensure, find};
use crate::icmp_error::icmp_error;
use crate::judge::{egress_allows, ingress_allows};
use crate::resume::resumes;
use crate::scene::{Scene, pod_class};
use crate::verdict::count;
use ringfence_abi::{AddressKind, Counter};

/// A known flow.
#[inline(always)]
pub(crate) fn known(scene: &Scene) -> bool {
    if find(&scene.packet, scene.generation) == Found::NOTHING {
        return false;
    }
    count(Counter::FlowHit);
    true
}

/// A known flow, one taken up again, or an error about either. Where it says no, an ICMP error has been replaced by
/// what it quotes, so nothing but the verdict may follow.
#[inline(always)]
pub(crate) fn excused(skb: Skb, scene: &mut Scene) -> bool {
    if known(scene) {
        return true;
    }
    if resumes(scene) {
        count(Counter::FlowResumed);
        return true;
    }
    excused_as_error(skb, scene)
}

/// An ICMP error about something that was allowed.
#[inline(always)]
pub(crate) fn excused_as_error(skb: Skb, scene: &mut Scene) -> bool {
    if !icmp_error(skb, scene) {
        return false;
    }
    count(Counter::IcmpError);
    true
}

/// Keeps a flow for a packet that policy lets pass, if policy would not let the reply pass by itself.
#[inline(always)]
pub(crate) fn keep(scene: &Scene) {
    if !reply_passes(scene) {
        ensure(scene);
    }
}

#[inline(always)]
fn reply_passes(scene: &Scene) -> bool {
    let own = scene.source_is_own();
    if let Some(target) = scene.target.filter(|target| target.egress_profile != 0) {
        // Of what was masqueraded the reply will be judged by an address that only NAT knows.
        let masqueraded = scene.from.is(AddressKind::ThisNode) || (scene.source.is_some() && !own);
        if masqueraded || !egress_allows(target, scene.origin_as_target()) {
            return false;
        }
    }
    let Some(source) = scene.source.filter(|source| source.ingress_profile != 0) else { return true };
    let class = match scene.target {
        Some(target) => pod_class(target, &scene.packet),
        None => scene.to.class,
    };
    own && ingress_allows(source, class, scene.packet.protocol, scene.packet.from_port())
}
