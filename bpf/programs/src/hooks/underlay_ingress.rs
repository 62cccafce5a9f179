//! A packet comes in on any other device of the node, tc ingress. Nobody vouches for its source.
use super::memory;
use crate::bytes::Skb;
use crate::class::{Party, locate};
use crate::fragment::follow;
use crate::maps::{config, generation};
use crate::packet::{Packet, protocol};
use crate::parse::{Link, underlay};
use crate::pass::{excused_as_error, replies};
use crate::scene::{Pod, Scene};
use crate::verdict::{PASS, count, drop, stamp};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use ringfence_abi::{AddressKind, Config, Counter, Mark, Origin, Reason};

#[classifier]
fn underlay_ingress(ctx: TcContext) -> i32 {
    let skb: Skb = aya_ebpf::EbpfContext::as_ptr(&ctx).cast();
    let Some(config) = config() else { return drop(Reason::NotConfigured) };
    let mut scene = Scene::new(skb, generation(config));
    scene.origin = Origin::Outside as u32;
    let entered = Mark::entered(Origin::Outside);
    match underlay(skb, &mut scene.packet) {
        Link::Ip => {}
        Link::Arp | Link::Other => {
            stamp(skb, entered);
            return PASS;
        }
        Link::Unreadable | Link::Tagged => return drop(Reason::Malformed),
    }
    let here = scene.find_target();
    if is_wireguard(&scene.packet, config) && scene.to.is(AddressKind::ThisNode) {
        count(Counter::WireguardIn);
        stamp(skb, entered);
        return PASS;
    }
    scene.from = locate(&scene.packet.src);
    let to_pods_here = scene.to.is(AddressKind::LocalPod) || scene.to.is(AddressKind::LocalPodRange);
    if scene.from.is_pods()
        || scene.from.is(AddressKind::ThisNode)
        || (scene.from.is(AddressKind::RemoteNode) && to_pods_here)
    {
        return drop(Reason::SpoofedUnderlay);
    }
    if !here {
        return drop(Reason::NoEndpoint);
    }
    if scene.to.is_pods() && !scene.target.exists() {
        return drop(Reason::NotLocal);
    }
    let judged = config.flags & Config::ANY_ISOLATED != 0 && is_reply(skb, &mut scene);
    stamp(skb, if judged { entered.with(Mark::JUDGED) } else { entered });
    PASS
}

/// Recognised whatever its destination: NAT is undone only behind this hook.
#[inline(always)]
fn is_reply(skb: Skb, scene: &mut Scene) -> bool {
    follow(&mut scene.packet, memory::UNDERLAY_INGRESS);
    // By flow only. What policy says of the pod behind it is asked at its veth.
    (scene.target, scene.to) = (Pod::NONE, Party::UNKNOWN);
    replies(scene) || excused_as_error(skb, scene)
}

/// UDP to a port of this node's WireGuard devices.
#[inline(always)]
fn is_wireguard(packet: &Packet, config: &Config) -> bool {
    let [one, other] = config.wireguard_ports;
    packet.protocol == protocol::UDP
        && packet.whole()
        && packet.dst_port != 0
        && (packet.dst_port == one || packet.dst_port == other)
}
