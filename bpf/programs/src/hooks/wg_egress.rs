//! A packet leaves for the mesh: WireGuard devices, tc egress. NAT of the destination is behind us.
use super::memory;
use crate::bytes::Skb;
use crate::class::locate;
use crate::fragment::follow;
use crate::judge::egress_allows;
use crate::maps::{config, generation};
use crate::mistake::mistaken;
use crate::parse::{Link, mesh};
use crate::pass::{excused, goes_on, keep};
use crate::scene::Scene;
use crate::verdict::{PASS, count, deny, drop};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use ringfence_abi::{AddressKind, Counter, Origin, Reason};

#[classifier]
fn wg_egress(ctx: TcContext) -> i32 {
    let skb: Skb = aya_ebpf::EbpfContext::as_ptr(&ctx).cast();
    count(Counter::ToPeer);
    let Some(config) = config() else { return drop(Reason::NotConfigured) };
    let mut scene = Scene::new(skb, generation(config));
    let readable = matches!(mesh(skb, &mut scene.packet), Link::Ip);
    let origin = scene.marked().origin();
    // A fragment that has lost its veth, of a pod that no policy isolates: only its source is asked.
    if !scene.find_source(skb) && !origin.is_free() {
        return drop(Reason::OriginLost);
    }
    if !scene.source.exists() {
        if scene.is_unstamped(skb) {
            return drop(Reason::OriginLost);
        }
        // This node speaks for its pods, as where it refuses a connection in a pod's name.
        if origin == Origin::None {
            return PASS;
        }
    }
    if !readable {
        return drop(Reason::Malformed);
    }
    if bears_pods(&scene) {
        let of_pod = scene.source.exists() || origin.is_pod();
        return drop(if of_pod { Reason::SpoofedPod } else { Reason::SpoofedUnderlay });
    }
    if !scene.source.exists() {
        return PASS;
    }
    if scene.source.denied() {
        return drop(Reason::EndpointDenied);
    }
    // Settled: a reply, unless it was taken for one to this node and NAT did not know it. Egress alone was judged for an
    // address outside the cluster, which this no longer is.
    let reply = scene.settled() && !(origin.answers_node() && scene.own != 0);
    if reply || scene.source.free() {
        return PASS;
    }
    follow(&mut scene.packet, memory::WG_EGRESS);
    scene.class = scene.source.class;
    if scene.source.ingress != 0 && !scene.packet.looks_like_reply() && goes_on(&scene) {
        return PASS;
    }
    scene.to = locate(&scene.packet.dst);
    if !egress_allows(scene.source.ifindex, scene.source.egress, scene.destination()) {
        scene.refused = Scene::EGRESS;
        return if excused(skb, &mut scene) { PASS } else { deny(&scene.packet, Reason::PolicyEgress) };
    }
    if scene.source.ingress != 0 {
        keep(&scene);
    }
    PASS
}

/// The second lock on sources (P2): peers believe us every address of our pod CIDRs. Whether it is a pod's other than the
/// one that the packet came from; of what was masqueraded it is the node's or the gateway's.
#[inline(always)]
fn bears_pods(scene: &Scene) -> bool {
    if scene.own != 0 || mistaken!(SourceUnchecked) {
        return false;
    }
    let from = locate(&scene.packet.src);
    from.is(AddressKind::LocalPod) || from.is(AddressKind::LocalPodRange)
}
