//! ICMP errors: they pass if what they quote was allowed, so that path MTU discovery and unreachables work.
use crate::bytes::Skb;
use crate::class::locate;
use crate::flow::{Found, find};
use crate::judge::{Target, allows, egress_allows};
use crate::packet::{Packet, protocol};
use crate::parse::quoted;
use crate::scene::{Scene, pod_class};
use ringfence_abi::Addr;

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
#[inline(always)]
pub(crate) fn icmp_error(skb: Skb, scene: &mut Scene) -> bool {
    scene.packet.whole() && is_error(&scene.packet) && excuses(skb, scene)
}

#[inline(never)]
fn excuses(skb: Skb, scene: &mut Scene) -> bool {
    let from: Addr = scene.packet.src.addr;
    let to: Addr = scene.packet.dst.addr;
    // Only who sent the quoted packet is told, and a pod speaks only of packets to itself.
    if !quoted(skb, &mut scene.packet)
        || scene.packet.src.addr != to
        || (scene.source.is_some() && scene.packet.dst.addr != from)
    {
        return false;
    }
    if find(&scene.packet, scene.generation) != Found::NOTHING {
        return true;
    }
    by_policy(scene)
}

/// Without a flow, policy is asked about the quoted packet, for each direction that has refused.
#[inline(always)]
fn by_policy(scene: &Scene) -> bool {
    let packet = &scene.packet;
    if scene.source.is_none() && scene.target.is_none() {
        return false;
    }
    if scene.refused & Scene::EGRESS != 0 {
        let Some(source) = scene.source else { return false };
        let class = match scene.target {
            Some(target) => pod_class(target, packet),
            None => scene.to.class,
        };
        let (protocol, port) = (u32::from(packet.protocol), packet.to_port());
        if source.ingress_profile == 0 || !allows(source.ingress_profile, class, protocol, port) {
            return false;
        }
    }
    if scene.refused & Scene::INGRESS == 0 {
        return true;
    }
    let Some(target) = scene.target else { return false };
    if target.egress_profile == 0 {
        return true;
    }
    let party = locate(&packet.dst);
    let quoted = Target { addr: &packet.dst.addr, party, protocol: packet.protocol, port: packet.to_port() };
    egress_allows(target, quoted)
}
