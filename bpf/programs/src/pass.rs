//! What lets a packet pass that policy refuses, and what must be kept so that the reply may.
use crate::bytes::Skb;
use crate::flow::{ANYONE, Exchange, Found, ensure, find, remember};
use crate::icmp_error::icmp_error;
use crate::judge::{egress_allows, ingress_allows};
use crate::mistake::mistaken;
use crate::resume::resumes;
use crate::scene::Scene;
use crate::verdict::count;
use ringfence_abi::{AddressKind, Counter};

/// A reply on a known flow between these pods.
#[inline(always)]
pub(crate) fn replies(scene: &Scene) -> bool {
    let found = hit(scene) == Found::REPLY;
    if found {
        count(Counter::FlowHit);
    }
    found
}

/// A packet on a known flow between these pods, whoever opened it, past the first.
#[inline(always)]
pub(crate) fn goes_on(scene: &Scene) -> bool {
    let found = hit(scene) != Found::NOTHING;
    if found {
        count(Counter::FlowHit);
    }
    found
}

#[inline(always)]
fn hit(scene: &Scene) -> u32 {
    // What was masqueraded, or comes to this node, may be for a pod that only NAT knows.
    let direct = scene.target.exists() || scene.to.is_remote();
    let receiver = if direct { scene.target.id } else { ANYONE };
    find(&scene.packet, scene.generation, scene.source.id, receiver)
}

/// A known flow, one taken up again, or an error about either. Where it says no, an ICMP error has been replaced by
/// what it quotes, so nothing but the verdict may follow.
#[inline(always)]
pub(crate) fn excused(skb: Skb, scene: &mut Scene) -> bool {
    replies(scene) || excused_without_flow(skb, scene)
}

/// The same, where the flow has been looked for in vain.
#[inline(always)]
pub(crate) fn excused_without_flow(skb: Skb, scene: &mut Scene) -> bool {
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

/// Spares those that follow from looking for the flow that was just found, if they are between two pods of this node
/// under their own addresses.
#[inline(always)]
pub(crate) fn expect_more(scene: &Scene, kind: u32) {
    if scene.own == 0 || !scene.target.exists() {
        return;
    }
    if let Some(exchange) = Exchange::of(&scene.packet, scene.source.id, scene.target.id, kind) {
        remember(&exchange, scene.generation);
    }
}

/// Keeps a flow for a packet that policy lets pass, if policy would not let the reply pass by itself.
#[inline(always)]
pub(crate) fn keep(scene: &Scene) {
    if !reply_passes(scene) && !mistaken!(NothingKept) {
        ensure(scene);
    }
}

#[inline(always)]
fn reply_passes(scene: &Scene) -> bool {
    let (source, target, packet) = (&scene.source, &scene.target, &scene.packet);
    let own = scene.own != 0;
    if target.egress != 0 {
        // Of what was masqueraded the reply will be judged by an address that only NAT knows.
        let masqueraded = scene.from.is(AddressKind::ThisNode) || (source.exists() && !own);
        if masqueraded || !egress_allows(target.ifindex, target.egress, scene.back()) {
            return false;
        }
    }
    source.ingress == 0
        || (own && ingress_allows(source.ingress, scene.class_there(), packet.protocol, packet.reply_port()))
}
