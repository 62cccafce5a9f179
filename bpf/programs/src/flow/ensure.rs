//! Makes the entry by which a reply will be known.
use super::find::opens;
use super::key::directed;
use super::prove::prove;
use super::time::{SECOND, idle, now, touch};
use crate::icmp_error::is_error;
use crate::maps::{RF_FLOWS, config};
use crate::packet::{Packet, protocol, sctp, tcp};
use crate::roles::{only_accepted, only_opened};
use crate::scene::Scene;
use crate::verdict::count;
use ringfence_abi::{Config, Counter, EndpointValue, FlowValue};

/// Keeps the flow that this packet, which policy lets pass, belongs to; makes it if the packet may open one. The
/// packet's source is the opener.
#[inline(never)]
pub(crate) fn ensure(scene: &Scene) {
    let packet = &scene.packet;
    if !packet.whole() || only_answers(packet) {
        return;
    }
    let at = directed(packet);
    let now = now();
    let (opener, target) = (id(scene.source), id(scene.target));
    let new = opens(packet);
    if let Some(value) = RF_FLOWS.get_ptr_mut(&at.key).filter(|_| !new) {
        // SAFETY: as in `find`.
        let flow = unsafe { &*value };
        let mine = flow.opener_is_lo == at.from_lo;
        if !idle(&at.key, flow, now) {
            let same = mine && flow.opener_endpoint == opener && flow.target_endpoint == target;
            if same || (!mine && (flow.generation == scene.generation || prove(flow, &at.key))) {
                // SAFETY: as in `find`. Policy has just been asked, in the opener's name.
                unsafe {
                    if flow.generation != scene.generation {
                        (*value).generation = scene.generation;
                    }
                }
                return touch(value, packet, !mine, now);
            }
        }
    }
    if !new && !may_open(scene, now) {
        return;
    }
    let value = FlowValue {
        last_seen: now,
        generation: scene.generation,
        opener_endpoint: opener,
        opener_ifindex: if opener == 0 { 0 } else { scene.source_ifindex },
        target_endpoint: target,
        target_ifindex: if target == 0 { 0 } else { scene.target_ifindex },
        opener_class: scene.class,
        origin: scene.origin as u8,
        opener_is_lo: at.from_lo,
        state: 0,
        pad: [0; 5],
    };
    match RF_FLOWS.insert(&at.key, &value, 0) {
        Ok(()) => count(Counter::FlowInserted),
        Err(_) => count(Counter::FlowInsertFailed),
    }
}

#[inline(always)]
fn id(pod: Option<&'static EndpointValue>) -> u32 {
    match pod {
        Some(pod) => pod.id,
        None => 0,
    }
}

/// A packet that only ever answers, so opens no flow and keeps none of its sender's.
#[inline(always)]
fn only_answers(packet: &Packet) -> bool {
    match packet.protocol {
        protocol::TCP => packet.kind & (tcp::SYN | tcp::ACK) == tcp::SYN | tcp::ACK,
        protocol::SCTP => packet.kind == sctp::INIT_ACK,
        protocol::ICMP | protocol::ICMPV6 => is_icmp_reply(packet) || is_error(packet),
        _ => false,
    }
}

/// Echo reply.
#[inline(always)]
fn is_icmp_reply(packet: &Packet) -> bool {
    matches!((packet.protocol, packet.kind), (protocol::ICMP, 0) | (protocol::ICMPV6, 129))
}

/// Whether a packet in mid-stream may make a flow. Of TCP and SCTP the ports must say that its sender is the client: an
/// answer on a connection that was just forbidden would else open it again, the other way round. Datagrams have no such
/// mark, so one that looks like an answer waits until policy has settled.
#[inline(always)]
fn may_open(scene: &Scene, now: u64) -> bool {
    let packet = &scene.packet;
    match packet.protocol {
        protocol::TCP if packet.kind & tcp::RST != 0 => false,
        protocol::TCP | protocol::SCTP => match (scene.target, scene.source_is_own()) {
            (Some(_), true) => {
                only_accepted(scene.target_ifindex, packet.dst_port)
                    && only_opened(scene.source_ifindex, packet.src_port)
            }
            (Some(_), false) => only_accepted(scene.target_ifindex, packet.dst_port),
            (None, true) => only_opened(scene.source_ifindex, packet.src_port),
            (None, false) => false,
        },
        protocol::UDP if u16::from_be(packet.src_port) < u16::from_be(packet.dst_port) => {
            config().is_some_and(|config| {
                config.changed == 0 || now / SECOND >= u64::from(config.changed) + u64::from(Config::SETTLE)
            })
        }
        _ => true,
    }
}
