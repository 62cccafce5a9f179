//! One packet at one hook: what has been found out about it so far.
use crate::bytes::Skb;
use crate::class::{Party, locate};
use crate::judge::{Target, class_of, owns};
use crate::maps::{config, endpoint};
use crate::packet::Packet;
use crate::verdict::mark;
use ringfence_abi::{AddressKind, EndpointValue, Mark, Origin};

/// Lives on the hook's stack; subprograms take it by reference, for they have five arguments at most.
#[repr(C)]
pub(crate) struct Scene {
    pub(crate) packet: Packet,
    /// Policy generation, read before any other table.
    pub(crate) generation: u32,
    /// The bits on arrival.
    pub(crate) mark: Mark,
    /// The local pod it is from, if it is from one.
    pub(crate) source: Option<&'static EndpointValue>,
    /// The local pod it is for, if it is for one.
    pub(crate) target: Option<&'static EndpointValue>,
    pub(crate) source_ifindex: u32,
    pub(crate) target_ifindex: u32,
    /// What the tables say of the source address.
    pub(crate) from: Party,
    /// And of the destination.
    pub(crate) to: Party,
    /// The class by which the source is judged.
    pub(crate) class: u32,
    /// An [`Origin`].
    pub(crate) origin: u32,
    /// Directions whose policy says no: [`Scene::EGRESS`], [`Scene::INGRESS`].
    pub(crate) refused: u32,
}

impl Scene {
    /// The source pod's egress policy.
    pub(crate) const EGRESS: u32 = 1;
    /// The target pod's ingress policy.
    pub(crate) const INGRESS: u32 = 2;

    #[inline(always)]
    pub(crate) fn new(skb: Skb, generation: u32) -> Self {
        let mark = mark(skb);
        Self {
            packet: Packet::new(),
            generation,
            mark,
            source: None,
            target: None,
            source_ifindex: 0,
            target_ifindex: 0,
            from: Party::UNKNOWN,
            to: Party::UNKNOWN,
            class: 0,
            origin: mark.origin() as u32,
            refused: 0,
        }
    }

    /// The source pod behind routing: by the veth the packet came in by, never by an address that may have been
    /// rewritten. Where a fragment has lost its veth but kept its mark, the source was checked at `pod_egress`, so it
    /// may tell. False: the packet is a pod's, but nobody can say which.
    #[inline(always)]
    pub(crate) fn find_source(&mut self, skb: Skb) -> bool {
        // SAFETY: `skb` is the program's context.
        let ifindex = unsafe { (*skb).ingress_ifindex };
        if ifindex != 0 {
            self.source = endpoint(ifindex);
            self.source_ifindex = ifindex;
        }
        if self.source.is_none() && self.mark.origin().is_pod() {
            let at = locate(&self.packet.src);
            self.source_ifindex = at.owner;
            if !at.is(AddressKind::LocalPod) || at.owner == 0 {
                return false;
            }
            self.source = endpoint(at.owner);
            return self.source.is_some();
        }
        true
    }

    /// The local pod at the destination, for which `to` must be known. False: there should be one and is none.
    #[inline(always)]
    pub(crate) fn find_target(&mut self) -> bool {
        if self.to.is(AddressKind::LocalPodRange) {
            return false;
        }
        if self.to.is(AddressKind::LocalPod) {
            self.target_ifindex = self.to.owner;
            self.target = if self.to.owner == 0 { None } else { endpoint(self.to.owner) };
            return self.target.is_some();
        }
        true
    }

    /// Where the packet goes, as policy is asked.
    #[inline(always)]
    pub(crate) fn destination(&self) -> Target<'_> {
        let packet = &self.packet;
        Target { addr: &packet.dst.addr, party: self.to, protocol: packet.protocol, port: packet.to_port() }
    }

    /// Where it comes from, as policy is asked about a packet the other way.
    #[inline(always)]
    pub(crate) fn origin_as_target(&self) -> Target<'_> {
        let packet = &self.packet;
        Target { addr: &packet.src.addr, party: self.from, protocol: packet.protocol, port: packet.from_port() }
    }

    /// Whether the source pod's packet still bears its own address, and with it its own port.
    #[inline(always)]
    pub(crate) fn source_is_own(&self) -> bool {
        self.source.is_some_and(|pod| owns(pod, &self.packet.src.addr))
    }
}

/// The class of a source that is no local pod. What was masqueraded, and what claims to be a node without a key to show
/// for it, is nobody: only peers that match every source match it.
#[inline(never)]
pub(crate) fn class_by_origin(party: &Party, origin: u8, v6: u8) -> u32 {
    let unproven = party.is(AddressKind::RemoteNode) && origin != Origin::Peer as u8;
    if !party.is(AddressKind::ThisNode) && !unproven {
        return party.class;
    }
    match config() {
        Some(config) if v6 == 0 => config.transit_class_v4,
        Some(config) => config.transit_class_v6,
        None => 0,
    }
}

/// Whether a pod is shut off.
#[inline(always)]
pub(crate) fn denied(pod: Option<&'static EndpointValue>) -> bool {
    pod.is_some_and(|pod| pod.flags & EndpointValue::DENY_ALL != 0)
}

/// The class of a local pod in the packet's family.
#[inline(always)]
pub(crate) fn pod_class(pod: &EndpointValue, packet: &Packet) -> u32 {
    class_of(pod, packet.v6)
}
