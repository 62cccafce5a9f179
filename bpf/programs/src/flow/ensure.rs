//! Makes the entry by which a reply will be known.
use super::find::opens;
use super::key::directed;
use super::time::{SECOND, idle, now, touch};
use crate::hints::{learn_replies, learn_served};
use crate::icmp_error::is_error;
use crate::maps::{RF_FLOWS, config};
use crate::packet::{Packet, protocol, sctp, tcp};
use crate::roles::{only_accepted, only_opened};
use crate::scene::Scene;
use crate::verdict::count;
use ringfence_abi::{Config, Counter, FlowValue};

/// Keeps the flow that this packet, which policy lets pass, belongs to; makes it if the packet may open one. The
/// packet's source is the opener.
#[inline(always)]
pub(crate) fn ensure(scene: &Scene) {
    // SAFETY: a reference is a valid pointer.
    unsafe { rf_keep_flow(scene) };
}

/// See [`ensure`].
///
/// # Safety
/// `scene` is valid or null.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn rf_keep_flow(scene: *const Scene) -> u32 {
    // SAFETY: as above.
    if let Some(scene) = unsafe { scene.as_ref() } {
        keep(scene);
    }
    0
}

#[inline(always)]
fn keep(scene: &Scene) {
    let packet = &scene.packet;
    if !packet.whole() || only_answers(packet) {
        return;
    }
    let at = directed(packet);
    let now = now();
    let new = opens(packet);
    if let Some(value) = RF_FLOWS.get_ptr_mut(&at.key).filter(|_| !new) {
        // SAFETY: as in `find`.
        let flow = unsafe { &*value };
        let mine = flow.opener_is_lo == at.from_lo;
        if !idle(&at.key, flow, now) {
            let same =
                mine && flow.opener_endpoint == scene.source.id && flow.target_endpoint == scene.target.id;
            // A flow of the other end's that has not proved itself since policy moved on would fail: policy refuses what
            // that end sends, or we would not be here.
            if same || (!mine && flow.generation == scene.generation) {
                // SAFETY: as in `find`. Policy has just been asked, in the opener's name.
                unsafe { (*value).generation = scene.generation };
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
        opener_endpoint: scene.source.id,
        opener_ifindex: scene.source.ifindex,
        target_endpoint: scene.target.id,
        target_ifindex: scene.target.ifindex,
        opener_class: scene.class,
        origin: scene.origin as u8,
        opener_is_lo: at.from_lo,
        state: 0,
        pad: [0; 5],
    };
    match RF_FLOWS.insert(&at.key, &value, 0) {
        Ok(()) => {
            if scene.target.exists() {
                learn_replies(scene.target.ifindex);
                learn_served(scene.target.ifindex, packet.dst_port);
            }
            count(Counter::FlowInserted);
        }
        Err(_) => count(Counter::FlowInsertFailed),
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
        protocol::TCP | protocol::SCTP => {
            // The port of at least one end must be the pod's own, not one that NAT chose.
            let (own, there) = (scene.own != 0, scene.target.exists());
            (own || there)
                && (!there || only_accepted(scene.target.ifindex, packet.dst_port))
                && (!own || only_opened(scene.source.ifindex, packet.src_port))
        }
        protocol::UDP if u16::from_be(packet.src_port) < u16::from_be(packet.dst_port) => config()
            .is_some_and(|config| {
                config.changed == 0 || now / SECOND >= u64::from(config.changed) + u64::from(Config::SETTLE)
            }),
        _ => true,
    }
}
