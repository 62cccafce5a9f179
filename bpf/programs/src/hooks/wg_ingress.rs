//! A packet comes off the mesh: WireGuard devices, tc ingress. Its peer's key has vouched for the source's node.
use super::memory;
use crate::bytes::Skb;
use crate::class::locate;
use crate::fragment::follow;
use crate::judge::ingress_allows;
use crate::maps::{config, generation};
use crate::mistake::mistaken;
use crate::parse::{Link, mesh};
use crate::pass::{excused_as_error, excused_without_flow, goes_on, keep, replies};
use crate::scene::Scene;
use crate::verdict::{PASS, count, deny, drop, stamp};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use ringfence_abi::{AddressKind, Config, Counter, Mark, Origin, Reason};

#[classifier]
fn wg_ingress(ctx: TcContext) -> i32 {
    let skb: Skb = aya_ebpf::EbpfContext::as_ptr(&ctx).cast();
    count(Counter::FromPeer);
    let Some(config) = config() else { return drop(Reason::NotConfigured) };
    let mut scene = Scene::new(skb, generation(config));
    scene.origin = Origin::Peer as u32;
    if !matches!(mesh(skb, &mut scene.packet), Link::Ip) {
        return drop(Reason::Malformed);
    }
    scene.from = locate(&scene.packet.src);
    if !scene.from.is_remote() {
        return drop(Reason::SpoofedPeer);
    }
    scene.class = scene.from.class;
    if !scene.find_target() {
        return drop(Reason::NoEndpoint);
    }
    if scene.target.denied() {
        return drop(Reason::EndpointDenied);
    }
    let isolated = config.flags & Config::ANY_ISOLATED != 0;
    let entered = Mark::entered(Origin::Peer);
    if !scene.target.exists() {
        if !scene.to.is(AddressKind::ThisNode) && !mistaken!(DestinationUnchecked) {
            return drop(Reason::NotLocal);
        }
        if !isolated {
            stamp(skb, entered);
            return PASS;
        }
        follow(&mut scene.packet, memory::WG_INGRESS);
        // The reply to something this node masqueraded, or an error about it.
        let judged = replies(&scene) || excused_as_error(skb, &mut scene);
        stamp(skb, if judged { entered.with(Mark::JUDGED) } else { entered });
        return PASS;
    }
    if scene.target.free() {
        stamp(skb, entered.with(Mark::INGRESS_JUDGED));
        return PASS;
    }
    follow(&mut scene.packet, memory::WG_INGRESS);
    // Of a pod isolated both ways every connection has a flow as a rule; else ports tell where to look first.
    let direction = if scene.packet.looks_like_reply() { scene.target.ingress } else { scene.target.egress };
    let first = direction != 0 || scene.target.ingress.min(scene.target.egress) != 0;
    if first && goes_on(&scene) {
        stamp(skb, entered.with(Mark::JUDGED));
        return PASS;
    }
    let packet = &scene.packet;
    if !ingress_allows(scene.target.ingress, scene.class, packet.protocol, packet.to_port()) {
        scene.refused = Scene::INGRESS;
        if !((!first && replies(&scene)) || excused_without_flow(skb, &mut scene)) {
            return deny(&scene.packet, Reason::PolicyIngress);
        }
        stamp(skb, entered.with(Mark::JUDGED));
        return PASS;
    }
    if scene.target.egress != 0 {
        keep(&scene);
    }
    stamp(skb, entered.with(Mark::INGRESS_JUDGED));
    PASS
}
