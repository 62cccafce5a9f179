//! ICMP errors: they pass if what they quote was allowed, so that path MTU discovery and unreachables work.
use crate::bytes::Skb;
use crate::class::locate;
use crate::flow::{ANYONE, Found, find};
use crate::judge::{Target, allows, egress_allows};
use crate::mistake::mistaken;
use crate::packet::{Packet, protocol};
use crate::parse::quoted;
use crate::scene::Scene;
use ringfence_abi::AddressKind;

/// Unreachable (and too big), time exceeded, parameter problem: RFC 792, RFC 4443.
#[inline(always)]
pub(crate) fn is_error(packet: &Packet) -> bool {
    match packet.protocol {
        protocol::ICMP => packet.v6 == 0 && matches!(packet.kind, 3 | 11 | 12),
        protocol::ICMPV6 => packet.v6 != 0 && matches!(packet.kind, 1..=4),
        _ => false,
    }
}

/// Whether the packet is an error about a live flow, or about a packet that its receiver was allowed to send. On the
/// way the scene's packet becomes the quoted one.
///
/// Only who sent the quoted packet is told, and a pod speaks only of packets to itself.
#[inline(always)]
pub(crate) fn icmp_error(skb: Skb, scene: &mut Scene) -> bool {
    let of_pod = is_of_pod(scene);
    scene.packet.whole()
        && is_error(&scene.packet)
        && (mistaken!(ErrorUnchecked) || quoted(skb, &mut scene.packet, of_pod))
        && (mistaken!(ErrorUnchecked)
            || find(&scene.packet, scene.generation, ANYONE, ANYONE) != Found::NOTHING
            || by_policy(scene))
}

/// A pod speaks only of packets to itself, be it here or on another node; routers speak of any.
#[inline(always)]
fn is_of_pod(scene: &Scene) -> bool {
    let from = &scene.from;
    scene.source.exists() || from.is(AddressKind::RemotePod) || from.is(AddressKind::RemotePodRange)
}

/// Without a flow, policy is asked about the quoted packet, for each direction that has refused.
#[inline(always)]
fn by_policy(scene: &Scene) -> bool {
    // SAFETY: a reference is a valid pointer.
    scene.refused != 0 && unsafe { rf_may_have_sent(scene) } != 0
}

/// See [`by_policy`].
///
/// # Safety
/// `scene` is valid or null.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn rf_may_have_sent(scene: *const Scene) -> u32 {
    // SAFETY: as above.
    unsafe { scene.as_ref() }.map_or(0, |scene| u32::from(may_have_sent(scene)))
}

#[inline(always)]
fn may_have_sent(scene: &Scene) -> bool {
    let packet = &scene.packet;
    if scene.refused & Scene::EGRESS != 0 && !may_report(scene) {
        return false;
    }
    if scene.refused & Scene::INGRESS == 0 || scene.target.egress == 0 {
        return true;
    }
    // Linux 6.1 takes keys from the stack, but not from what a function is given.
    let at = packet.dst;
    let quoted =
        Target { addr: &at.addr, party: locate(&at), protocol: packet.protocol, port: packet.to_port() };
    egress_allows(scene.target.ifindex, scene.target.egress, quoted)
}

/// Whether an egress-isolated pod may speak of what it was sent: its ingress policy names the sender or, where it has none,
/// its egress policy lets it answer. Else it could send anybody errors about packets that never were.
#[inline(always)]
fn may_report(scene: &Scene) -> bool {
    let (pod, packet) = (&scene.source, &scene.packet);
    if pod.ingress != 0 {
        return allows(pod.ingress, scene.class_there(), packet.protocol, packet.to_port());
    }
    let answer = Target {
        addr: &packet.src.addr,
        party: scene.to,
        protocol: packet.protocol,
        port: packet.reply_port(),
    };
    egress_allows(pod.ifindex, pod.egress, answer)
}
