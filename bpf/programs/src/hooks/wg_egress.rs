//! A packet leaves for the mesh: WireGuard devices, tc egress. NAT of the destination is behind us.
use super::memory;
use crate::bytes::Skb;
use crate::class::locate;
use crate::fragment::follow;
use crate::judge::egress_allows;
use crate::maps::{config, generation};
use crate::parse::{Link, mesh};
use crate::pass::{excused, goes_on, keep};
use crate::scene::Scene;
use crate::verdict::{PASS, count, deny, drop, mark};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use ringfence_abi::{Counter, Origin, Reason};

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
    if !scene.source.exists() {
        return if scene.is_unstamped(skb) { drop(Reason::OriginLost) } else { PASS };
    }
    if scene.source.denied() {
        return drop(Reason::EndpointDenied);
    }
    if !readable {
        return drop(Reason::Malformed);
    }
    // Settled: a reply. Egress alone was judged for an address outside the cluster, which this no longer is.
    if scene.settled() || scene.source.free() {
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
