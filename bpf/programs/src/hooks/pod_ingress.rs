//! A packet goes to a pod: host side of its veth, tc egress. All NAT is behind us.
use super::memory;
use super::neighbour::{is_link_local, is_multicast, is_neighbour};
use crate::bytes::Skb;
use crate::class::{Party, locate};
use crate::fragment::follow;
use crate::judge::{egress_allows, ingress_allows, owns};
use crate::maps::{config, endpoint, generation};
use crate::parse::{Link, ethernet};
use crate::pass::{excused, keep};
use crate::scene::{Scene, class_by_origin, denied, pod_class};
use crate::verdict::{PASS, count, deny, drop};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use ringfence_abi::{AddressKind, Counter, EndpointValue, Mark, Origin, Reason};

#[classifier]
fn pod_ingress(ctx: TcContext) -> i32 {
    let skb: Skb = aya_ebpf::EbpfContext::as_ptr(&ctx).cast();
    count(Counter::ToPod);
    let Some(config) = config() else { return drop(Reason::NotConfigured) };
    let mut scene = Scene::new(skb, generation(config));
    let link = ethernet(skb, &mut scene.packet);
    if let Link::Arp = link {
        return PASS;
    }
    // SAFETY: `skb` is the program's context.
    let (ifindex, came_by) = unsafe { ((*skb).ifindex, (*skb).ingress_ifindex) };
    scene.target_ifindex = ifindex;
    scene.target = endpoint(ifindex);
    let Some(pod) = scene.target else { return drop(Reason::NoEndpoint) };
    let free = pod.ingress_profile == 0 && pod.egress_profile == 0;
    match link {
        Link::Ip => {}
        Link::Other if free && !denied(scene.target) => return PASS,
        _ => return drop(Reason::Malformed),
    }
    if is_neighbour(&scene.packet) {
        return PASS;
    }
    let of_this_node = came_by == 0 && scene.mark.origin() == Origin::None;
    let destination = &scene.packet.dst.addr;
    let on_link = of_this_node && (is_link_local(destination) || is_multicast(destination));
    if !owns(pod, destination) && !on_link {
        return drop(Reason::NotLocal);
    }
    if denied(scene.target) {
        return drop(Reason::EndpointDenied);
    }
    if of_this_node || scene.mark.0 & Mark::JUDGED == Mark::JUDGED {
        return PASS;
    }
    if free && matches!(scene.mark.origin(), Origin::FreePod | Origin::Peer) {
        return PASS;
    }
    judge(skb, &mut scene, pod)
}

#[inline(always)]
fn judge(skb: Skb, scene: &mut Scene, pod: &'static EndpointValue) -> i32 {
    if !scene.find_source(skb) {
        return drop(Reason::OriginLost);
    }
    scene.to = Party { class: pod_class(pod, &scene.packet), owner: 0, kind: AddressKind::LocalPod as u32 };
    if let Some(reason) = who(scene) {
        return drop(reason);
    }
    if scene.source.is_some_and(|source| source.id == pod.id) {
        return PASS;
    }
    if denied(scene.source) {
        return drop(Reason::EndpointDenied);
    }
    follow(&mut scene.packet, memory::POD_INGRESS);
    if scene.source.is_some_and(|source| !egress_allows(source, scene.destination())) {
        scene.refused = Scene::EGRESS;
    }
    let packet = &scene.packet;
    if !scene.mark.ingress_judged() && !ingress_allows(pod, scene.class, packet.protocol, packet.to_port()) {
        scene.refused |= Scene::INGRESS;
    }
    if scene.refused != 0 {
        let reason = if scene.refused & Scene::EGRESS != 0 { Reason::PolicyEgress } else { Reason::PolicyIngress };
        return if excused(skb, scene) { PASS } else { deny(&scene.packet, reason) };
    }
    if !scene.mark.ingress_judged() {
        keep(scene);
    }
    PASS
}

/// Finds the class by which the source is judged; or why it cannot be believed.
#[inline(always)]
fn who(scene: &mut Scene) -> Option<Reason> {
    if let Some(source) = scene.source {
        scene.class = pod_class(source, &scene.packet);
        scene.from = Party { class: scene.class, owner: scene.source_ifindex, kind: AddressKind::LocalPod as u32 };
        return None;
    }
    scene.from = locate(&scene.packet.src);
    let origin = scene.mark.origin();
    if origin != Origin::Peer && scene.from.is_pods() {
        return Some(if origin == Origin::None { Reason::OriginLost } else { Reason::SpoofedUnderlay });
    }
    scene.origin = if origin == Origin::None { Origin::Outside as u32 } else { scene.origin };
    scene.class = class_by_origin(&scene.from, scene.origin as u8, scene.packet.v6);
    None
}
