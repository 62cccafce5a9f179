//! A packet leaves for the mesh: WireGuard devices, tc egress. NAT of the destination is behind us.
use super::memory;
use crate::bytes::Skb;
use crate::class::locate;
use crate::fragment::follow;
use crate::judge::egress_allows;
use crate::maps::{config, generation};
use crate::parse::{Link, mesh};
use crate::pass::{excused, keep};
use crate::scene::{Scene, denied, pod_class};
use crate::verdict::{PASS, count, deny, drop, mark};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use ringfence_abi::{Counter, Mark, Origin, Reason};

#[classifier]
fn wg_egress(ctx: TcContext) -> i32 {
    let skb: Skb = aya_ebpf::EbpfContext::as_ptr(&ctx).cast();
    count(Counter::ToPeer);
    if mark(skb).origin() == Origin::FreePod {
        return PASS;
    }
    let Some(config) = config() else { return drop(Reason::NotConfigured) };
    let mut scene = Scene::new(skb, generation(config));
    let readable = matches!(mesh(skb, &mut scene.packet), Link::Ip);
    if !scene.find_source(skb) {
        return drop(Reason::OriginLost);
    }
    let Some(pod) = scene.source else { return PASS };
    if denied(scene.source) {
        return drop(Reason::EndpointDenied);
    }
    if !readable {
        return drop(Reason::Malformed);
    }
    // Both: a reply. Egress alone was judged for an address outside the cluster, which this no longer is.
    if scene.mark.0 & Mark::JUDGED == Mark::JUDGED || (pod.egress_profile == 0 && pod.ingress_profile == 0) {
        return PASS;
    }
    follow(&mut scene.packet, memory::WG_EGRESS);
    scene.class = pod_class(pod, &scene.packet);
    scene.to = locate(&scene.packet.dst);
    if !egress_allows(pod, scene.destination()) {
        scene.refused = Scene::EGRESS;
        return if excused(skb, &mut scene) { PASS } else { deny(&scene.packet, Reason::PolicyEgress) };
    }
    if pod.ingress_profile != 0 {
        keep(&scene);
    }
    PASS
}
