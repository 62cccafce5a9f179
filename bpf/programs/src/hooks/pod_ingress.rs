//! A packet goes to a pod: host side of its veth, tc egress. All NAT is behind us.
use super::memory;
use super::neighbour::{is_link_local, is_multicast, is_neighbour};
use super::quick::enters;
use crate::bytes::Skb;
use crate::class::locate;
use crate::fragment::follow;
use crate::judge::{egress_allows, ingress_allows};
use crate::maps::{config, endpoint, generation};
use crate::parse::{Link, ethernet};
use crate::pass::{excused, expect_more, goes_on, keep};
use crate::scene::{Pod, Scene, class_by_origin, owns};
use crate::verdict::{PASS, count, deny, drop};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use ringfence_abi::{Counter, Mark, Origin, Reason};

#[classifier]
fn pod_ingress(ctx: TcContext) -> i32 {
    let skb: Skb = aya_ebpf::EbpfContext::as_ptr(&ctx).cast();
    if enters(skb) { PASS } else { rf_pod_ingress(skb) }
}

/// The long way, in a function of its own, so that the short one fits into few lines of the processor's cache.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn rf_pod_ingress(skb: Skb) -> i32 {
    count(Counter::ToPod);
    let Some(config) = config() else { return drop(Reason::NotConfigured) };
    let mut scene = Scene::new(skb, generation(config));
    let link = ethernet(skb, &mut scene.packet);
    if let Link::Arp = link {
        return PASS;
    }
    // SAFETY: `skb` is the program's context.
    let (ifindex, came_by) = unsafe { ((*skb).ifindex, (*skb).ingress_ifindex) };
    let Some(value) = endpoint(ifindex) else { return drop(Reason::NoEndpoint) };
    scene.target = Pod::new(ifindex, value, scene.packet.v6 != 0);
    match link {
        Link::Ip => {}
        Link::Other if scene.target.free() && !scene.target.denied() => return PASS,
        _ => return drop(Reason::Malformed),
    }
    if is_neighbour(&scene.packet) {
        return PASS;
    }
    let of_this_node = came_by == 0 && scene.origin == Origin::None as u32;
    let destination = &scene.packet.dst.addr;
    let on_link = of_this_node && (is_link_local(destination) || is_multicast(destination));
    if !owns(value, destination) && !on_link {
        return drop(Reason::NotLocal);
    }
    if scene.target.denied() {
        return drop(Reason::EndpointDenied);
    }
    if of_this_node {
        return PASS;
    }
    if scene.settled() && !void(skb, &mut scene) {
        return PASS;
    }
    if scene.target.free() && (scene.marked().origin().is_free() || scene.marked().origin() == Origin::Peer) {
        return PASS;
    }
    judge(skb, &mut scene)
}

/// Whether an answer to this node was none: NAT did not know it, so it is judged like any other packet of its pod.
#[inline(always)]
fn void(skb: Skb, scene: &mut Scene) -> bool {
    if !scene.marked().origin().answers_node() || !scene.find_source(skb) || scene.own == 0 {
        return false;
    }
    scene.mark &= !Mark::JUDGED;
    true
}

#[inline(always)]
fn judge(skb: Skb, scene: &mut Scene) -> i32 {
    if !scene.find_source(skb) {
        return drop(Reason::OriginLost);
    }
    let pod = scene.target;
    scene.to = pod.party();
    if let Some(reason) = who(scene) {
        return drop(reason);
    }
    if scene.source.ifindex == pod.ifindex {
        return PASS;
    }
    if scene.source.denied() {
        return drop(Reason::EndpointDenied);
    }
    follow(&mut scene.packet, memory::POD_INGRESS);
    // A flow is kept where the reply meets isolation: surely if at both ends, else if this does not look like one.
    let (here, there) = (pod.egress != 0, scene.source.ingress != 0);
    if ((here && there) || ((here || there) && !scene.packet.looks_like_reply())) && goes_on(scene) {
        expect_more(scene, 0);
        return PASS;
    }
    if !egress_allows(scene.source.ifindex, scene.source.egress, scene.destination()) {
        scene.refused = Scene::EGRESS;
    }
    let packet = &scene.packet;
    let judged = scene.marked().ingress_judged();
    if !judged && !ingress_allows(pod.ingress, scene.class, packet.protocol, packet.to_port()) {
        scene.refused |= Scene::INGRESS;
    }
    if scene.refused != 0 {
        let reason =
            if scene.refused & Scene::EGRESS != 0 { Reason::PolicyEgress } else { Reason::PolicyIngress };
        return if excused(skb, scene) { PASS } else { deny(&scene.packet, reason) };
    }
    if !judged {
        keep(scene);
    }
    PASS
}

/// Finds the class by which the source is judged; or why it cannot be believed.
#[inline(always)]
fn who(scene: &mut Scene) -> Option<Reason> {
    let source = &scene.source;
    if source.exists() {
        scene.class = source.class;
        scene.from = source.party();
        return None;
    }
    scene.from = locate(&scene.packet.src);
    let origin = scene.marked().origin();
    // Off a device that bears no programs yet: it may be a pod's before its CNI ADD, whatever the source.
    if origin == Origin::None && (scene.target.ingress != 0 || scene.from.is_pods()) {
        return Some(Reason::OriginLost);
    }
    if origin != Origin::Peer && scene.from.is_pods() {
        return Some(Reason::SpoofedUnderlay);
    }
    if origin == Origin::None {
        scene.origin = Origin::Outside as u32;
    }
    scene.class = class_by_origin(&scene.from, scene.origin, scene.packet.v6 != 0);
    None
}
