//! A pod's packet enters the node: host side of its veth, tc ingress.
use super::memory;
use super::neighbour::{is_link_local, is_loopback, is_neighbour, is_router};
use super::quick::leaves;
use crate::bytes::Skb;
use crate::class::{NO_SERVICE, service};
use crate::fragment::follow;
use crate::hints;
use crate::icmp_error::is_error;
use crate::judge::{allows, egress_allows, ingress_allows};
use crate::maps::{config, endpoint, generation};
use crate::mistake::mistaken;
use crate::packet::{Packet, protocol};
use crate::parse::{Link, ethernet};
use crate::pass::{excused, excused_as_error, excused_without_flow, expect_more, replies};
use crate::roles::record;
use crate::scene::{Pod, Scene, owns};
use crate::verdict::{PASS, count, deny, drop, stamp};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use ringfence_abi::{AddressKind, Config, Counter, EndpointValue, Mark, Origin, Reason, Recent};

#[classifier]
fn pod_egress(ctx: TcContext) -> i32 {
    let skb: Skb = aya_ebpf::EbpfContext::as_ptr(&ctx).cast();
    if leaves(skb) { PASS } else { rf_pod_egress(skb) }
}

/// The long way, in a function of its own, so that the short one fits into few lines of the processor's cache.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn rf_pod_egress(skb: Skb) -> i32 {
    count(Counter::FromPod);
    let Some(config) = config() else { return drop(Reason::NotConfigured) };
    let mut scene = Scene::new(skb, generation(config));
    let link = ethernet(skb, &mut scene.packet);
    if let Link::Arp = link {
        return PASS;
    }
    // SAFETY: `skb` is the program's context.
    let ifindex = unsafe { (*skb).ifindex };
    let Some(value) = endpoint(ifindex) else { return drop(Reason::NoEndpoint) };
    scene.source = Pod::new(ifindex, value, scene.packet.v6 != 0);
    let origin = if scene.source.free() { Origin::FreePod } else { Origin::LocalPod };
    scene.origin = origin as u32;
    let entered = Mark::entered(origin);
    match link {
        Link::Ip => {}
        Link::Other if scene.source.free() && !scene.source.denied() => {
            stamp(skb, entered);
            return PASS;
        }
        _ => return drop(Reason::Malformed),
    }
    if let Some(reason) = impostor(&scene.packet, value) {
        return drop(reason);
    }
    if is_loopback(&scene.packet.dst.addr) {
        return drop(Reason::Loopback);
    }
    scene.own = 1;
    if is_neighbour(&scene.packet) {
        stamp(skb, entered);
        return PASS;
    }
    if scene.source.denied() {
        return drop(Reason::EndpointDenied);
    }
    follow(&mut scene.packet, memory::POD_EGRESS);
    record(ifindex, &scene.packet);
    scene.class = scene.source.class;
    if !scene.find_target() {
        return drop(Reason::NoEndpoint);
    }
    let isolated = config.flags & Config::ANY_ISOLATED != 0;
    match if isolated { judge(skb, &mut scene) } else { Judged::Not } {
        Judged::Not if mistaken!(NodeIsTheEnd) && scene.to.is(AddressKind::ThisNode) => {
            stamp(skb, entered.with(Mark::JUDGED));
        }
        Judged::Both | Judged::Answer if mistaken!(RepliesLeftToTheEnd) => stamp(skb, entered),
        Judged::Not => stamp(skb, entered),
        Judged::Egress => stamp(skb, entered.with(Mark::EGRESS_JUDGED)),
        Judged::Both => stamp(skb, entered.with(Mark::JUDGED)),
        Judged::Answer => {
            let origin = if scene.source.free() { Origin::FreePodToNode } else { Origin::PodToNode };
            stamp(skb, Mark::entered(origin).with(Mark::JUDGED));
        }
        Judged::Refused => return deny(&scene.packet, Reason::PolicyEgress),
    }
    PASS
}

/// P2: the source must be this pod's own, or link-local where a link needs it.
#[inline(always)]
fn impostor(packet: &Packet, pod: &EndpointValue) -> Option<Reason> {
    if is_router(packet) {
        return Some(Reason::RouterMessage);
    }
    let source = &packet.src.addr;
    if source.is_none() || is_link_local(source) {
        return if is_neighbour(packet) { None } else { Some(Reason::LinkLocal) };
    }
    if owns(pod, source) || mistaken!(SourceUnchecked) { None } else { Some(Reason::SpoofedPod) }
}

enum Judged {
    /// Left to a later hook.
    Not,
    /// Egress policy admits a destination outside the cluster.
    Egress,
    /// A reply, or an error: whatever NAT makes of it, it has been judged.
    Both,
    /// The same, to an address of this node: it has been judged if NAT knows whom it is for.
    Answer,
    Refused,
}

/// What can be told only here: replies, before NAT is undone, and destinations that no later hook sees.
#[inline(always)]
fn judge(skb: Skb, scene: &mut Scene) -> Judged {
    let may_reply = hints::replies(scene.source.ifindex) || is_error(&scene.packet);
    if scene.to.is(AddressKind::ThisNode) {
        return to_this_node(skb, scene, may_reply);
    }
    if scene.to.is(AddressKind::External) {
        return if scene.source.egress == 0 { Judged::Not } else { to_outside(skb, scene) };
    }
    if !may_reply || scene.source.egress | scene.target.ingress == 0 {
        return Judged::Not;
    }
    let first = scene.packet.looks_like_reply() || hints::served(scene.source.ifindex, scene.packet.src_port);
    if first && replies(scene) {
        expect_more(scene, Recent::REPLY);
        return Judged::Both;
    }
    let packet = &scene.packet;
    if !egress_allows(scene.source.ifindex, scene.source.egress, scene.destination()) {
        scene.refused = Scene::EGRESS;
    }
    let itself = scene.target.ifindex == scene.source.ifindex;
    if !itself && !ingress_allows(scene.target.ingress, scene.class, packet.protocol, packet.to_port()) {
        scene.refused |= Scene::INGRESS;
    }
    if scene.refused == 0 {
        return Judged::Not;
    }
    if (!first && replies(scene)) || excused_without_flow(skb, scene) { Judged::Both } else { Judged::Not }
}

/// A reply to something masqueraded bears the node's address here. All else may go to the node, save to a Service
/// whose backends no later hook judges.
#[inline(always)]
fn to_this_node(skb: Skb, scene: &mut Scene, may_reply: bool) -> Judged {
    // A datagram that leaves by a Service is masqueraded, as an answer is: where it leaves nobody could tell them apart.
    let datagram = scene.packet.protocol == protocol::UDP;
    if datagram && leads_astray(scene) {
        return Judged::Refused;
    }
    if may_reply && replies(scene) {
        return Judged::Answer;
    }
    if !datagram && leads_astray(scene) {
        return Judged::Refused;
    }
    if excused_as_error(skb, scene) { Judged::Both } else { Judged::Not }
}

/// Whether it leads to a Service of which no later hook judges some backends, and policy refuses those.
#[inline(always)]
fn leads_astray(scene: &Scene) -> bool {
    let (packet, egress) = (&scene.packet, scene.source.egress);
    if egress == 0 {
        return false;
    }
    let class = service(&packet.dst.addr, packet.to_port(), packet.protocol);
    class != NO_SERVICE && class != 0 && !allows(egress, class as u32, packet.protocol, packet.to_port())
}

/// Neither pod nor node: a Service's address, whose backends later hooks judge, or the world outside.
#[inline(always)]
fn to_outside(skb: Skb, scene: &mut Scene) -> Judged {
    let (packet, egress) = (&scene.packet, scene.source.egress);
    let (protocol, port) = (packet.protocol, packet.to_port());
    let class = service(&packet.dst.addr, port, protocol);
    if class == 0 {
        return Judged::Not;
    }
    if class != NO_SERVICE {
        return if allows(egress, class as u32, protocol, port) { Judged::Not } else { Judged::Refused };
    }
    if service(&packet.dst.addr, 0, 0) != NO_SERVICE {
        return Judged::Not;
    }
    if allows(egress, scene.to.class, protocol, port) {
        return Judged::Egress;
    }
    scene.refused = Scene::EGRESS;
    if excused(skb, scene) { Judged::Both } else { Judged::Refused }
}
