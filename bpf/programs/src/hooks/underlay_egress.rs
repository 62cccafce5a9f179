//! A packet leaves by any other device of the node, tc egress: the second lock on what must not leave in the clear.
use super::memory;
use crate::bytes::Skb;
use crate::class::{NO_SERVICE, locate, service};
use crate::fragment::follow;
use crate::judge::allows;
use crate::maps::{config, generation};
use crate::parse::{Link, underlay};
use crate::pass::keep;
use crate::scene::Scene;
use crate::verdict::{PASS, drop};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use ringfence_abi::{AddressKind, Origin, Reason};

#[classifier]
fn underlay_egress(ctx: TcContext) -> i32 {
    let skb: Skb = aya_ebpf::EbpfContext::as_ptr(&ctx).cast();
    let Some(config) = config() else { return drop(Reason::NotConfigured) };
    let mut scene = Scene::new(skb, generation(config));
    match underlay(skb, &mut scene.packet) {
        Link::Ip => {}
        Link::Arp => return PASS,
        // What a pod sends is forwarded as IP, so nothing else can be a pod's.
        Link::Other | Link::Tagged => return PASS,
        Link::Unreadable => return drop(Reason::Malformed),
    }
    scene.to = locate(&scene.packet.dst);
    if scene.to.is_pods() {
        return drop(Reason::Plaintext);
    }
    if !scene.find_source(skb) {
        return drop(Reason::OriginLost);
    }
    let node = scene.to.is(AddressKind::RemoteNode);
    if !scene.source.exists() {
        // Off the mesh and on to a node: a pod called a NodePort here. It has a way over the mesh, or none.
        if node && scene.marked().origin() == Origin::Peer {
            return drop(Reason::Plaintext);
        }
        if scene.is_unstamped(skb) {
            return drop(Reason::OriginLost);
        }
        // WireGuard's own packets end here.
        return if !node && names_service(&scene, false) { drop(Reason::ServiceAddress) } else { PASS };
    }
    if node {
        return drop(Reason::Plaintext);
    }
    if scene.source.denied() {
        return drop(Reason::EndpointDenied);
    }
    if names_service(&scene, true) {
        return drop(Reason::ServiceAddress);
    }
    leave(&mut scene)
}

/// Whether the destination still is a Service's: a ClusterIP, or of a pod's packet any address and port of one.
#[inline(always)]
fn names_service(scene: &Scene, of_pod: bool) -> bool {
    let packet = &scene.packet;
    service(&packet.dst.addr, 0, 0) != NO_SERVICE
        || (of_pod && service(&packet.dst.addr, packet.to_port(), packet.protocol) != NO_SERVICE)
}

/// A pod's packet to the world outside. It was judged where it entered, unless it bore a Service's address there: then
/// the backend, which is the destination now, is judged here.
#[inline(always)]
fn leave(scene: &mut Scene) -> i32 {
    let pod = scene.source;
    if scene.settled() || pod.free() {
        return PASS;
    }
    follow(&mut scene.packet, memory::UNDERLAY_EGRESS);
    let packet = &scene.packet;
    if pod.egress != 0
        && !scene.marked().egress_judged()
        && !allows(pod.egress, scene.to.class, packet.protocol, packet.to_port())
    {
        return drop(Reason::Unjudged);
    }
    if pod.ingress != 0 {
        scene.class = pod.class;
        keep(scene);
    }
    PASS
}
