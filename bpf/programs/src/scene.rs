//! One packet at one hook: what has been found out about it so far.
//!
//! Plain numbers without padding. Subprograms take it by pointer, and the kernel verifies each of them once, on its own,
//! as long as no pointer into a table hides in what they are given.
use crate::bytes::Skb;
use crate::class::{Party, locate};
use crate::hints::{learn_local, local};
use crate::judge::Target;
use crate::maps::{config, endpoint};
use crate::mistake::mistaken;
use crate::packet::Packet;
use crate::verdict::mark;
use ringfence_abi::{Addr, AddressKind, EndpointValue, Mark, Origin};

/// A local pod that takes part.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Pod {
    /// Its veth; 0: no local pod.
    pub(crate) ifindex: u32,
    pub(crate) id: u32,
    pub(crate) ingress: u32,
    pub(crate) egress: u32,
    /// Of the packet's family.
    pub(crate) class: u32,
    pub(crate) flags: u32,
}

impl Pod {
    pub(crate) const NONE: Self = Self { ifindex: 0, id: 0, ingress: 0, egress: 0, class: 0, flags: 0 };

    #[inline(always)]
    pub(crate) fn new(ifindex: u32, value: &EndpointValue, v6: bool) -> Self {
        Self {
            ifindex,
            id: value.id,
            ingress: value.ingress_profile,
            egress: value.egress_profile,
            class: if v6 { value.class_v6 } else { value.class_v4 },
            flags: value.flags,
        }
    }

    #[inline(always)]
    pub(crate) fn exists(&self) -> bool {
        self.ifindex != 0
    }

    /// As the address tables would have it.
    #[inline(always)]
    pub(crate) fn party(&self) -> Party {
        Party { class: self.class, owner: self.ifindex, kind: AddressKind::LocalPod as u32 }
    }

    /// Shut off in both directions.
    #[inline(always)]
    pub(crate) fn denied(&self) -> bool {
        self.flags & EndpointValue::DENY_ALL != 0
    }

    /// Isolated in no direction.
    #[inline(always)]
    pub(crate) fn free(&self) -> bool {
        self.ingress | self.egress == 0
    }
}

/// Lives on the hook's stack.
#[repr(C)]
pub(crate) struct Scene {
    pub(crate) packet: Packet,
    /// Policy generation, read before any other table.
    pub(crate) generation: u32,
    /// The bits on arrival.
    pub(crate) mark: u32,
    /// The local pod it is from.
    pub(crate) source: Pod,
    /// The local pod it is for.
    pub(crate) target: Pod,
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
    /// 1 if the source pod's packet still bears its own address, and with it its own port.
    pub(crate) own: u32,
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
            mark: mark.0,
            source: Pod::NONE,
            target: Pod::NONE,
            from: Party::UNKNOWN,
            to: Party::UNKNOWN,
            class: 0,
            origin: mark.origin() as u32,
            refused: 0,
            own: 0,
        }
    }

    #[inline(always)]
    pub(crate) fn marked(&self) -> Mark {
        Mark(self.mark)
    }

    /// Judged in both directions where it entered: a reply, or an error.
    #[inline(always)]
    pub(crate) fn settled(&self) -> bool {
        self.mark & Mark::JUDGED == Mark::JUDGED
    }

    /// The source pod behind routing: by the veth the packet came in by, never by an address that may have been
    /// rewritten. Where a fragment has lost its veth but kept its mark, the source was checked at `pod_egress`, so it
    /// may tell. False: the packet is a pod's, but nobody can say which.
    #[inline(always)]
    pub(crate) fn find_source(&mut self, skb: Skb) -> bool {
        if mistaken!(SourceByAddress) {
            let at = locate(&self.packet.src);
            return !at.is(AddressKind::LocalPod) || self.source_at(at.owner);
        }
        // SAFETY: `skb` is the program's context.
        let ifindex = unsafe { (*skb).ingress_ifindex };
        if ifindex != 0 && self.source_at(ifindex) {
            return true;
        }
        let origin = self.marked().origin();
        if !origin.is_pod() {
            return true;
        }
        let at = locate(&self.packet.src);
        at.is(AddressKind::LocalPod) && at.owner != 0 && self.source_at(at.owner)
    }

    /// Nobody stamped the packet, and it is not this node's own either: it came by a device that bears no programs yet,
    /// as a pod's does between the moment it is made and CNI ADD.
    #[inline(always)]
    pub(crate) fn is_unstamped(&self, skb: Skb) -> bool {
        // SAFETY: `skb` is the program's context.
        self.marked().origin() == Origin::None && unsafe { (*skb).ingress_ifindex } != 0
    }

    #[inline(always)]
    fn source_at(&mut self, ifindex: u32) -> bool {
        let Some(value) = endpoint(ifindex) else { return false };
        self.source = Pod::new(ifindex, value, self.packet.v6 != 0);
        self.own = u32::from(owns(value, &self.packet.src.addr));
        true
    }

    /// Finds out who is at the destination, and the local pod there. False: there should be one and is none.
    #[inline(always)]
    pub(crate) fn find_target(&mut self) -> bool {
        let (addr, v6) = (&self.packet.dst.addr, self.packet.v6 != 0);
        let hint = local(addr);
        if hint != 0
            && let Some(value) = endpoint(hint)
            && owns(value, addr)
        {
            self.target = Pod::new(hint, value, v6);
            self.to = self.target.party();
            return true;
        }
        self.to = locate(&self.packet.dst);
        self.look_target_up()
    }

    /// The same, where the destination has been located and no hint was of use.
    #[inline(always)]
    fn look_target_up(&mut self) -> bool {
        if self.to.is(AddressKind::LocalPodRange) {
            return false;
        }
        if !self.to.is(AddressKind::LocalPod) {
            return true;
        }
        if self.to.owner == 0 {
            return false;
        }
        let Some(value) = endpoint(self.to.owner) else { return false };
        self.target = Pod::new(self.to.owner, value, self.packet.v6 != 0);
        learn_local(&self.packet.dst.addr, self.to.owner);
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
    pub(crate) fn back(&self) -> Target<'_> {
        let packet = &self.packet;
        Target {
            addr: &packet.src.addr,
            party: self.from,
            protocol: packet.protocol,
            port: packet.reply_port(),
        }
    }

    /// The class of whoever is at the destination.
    #[inline(always)]
    pub(crate) fn class_there(&self) -> u32 {
        if self.target.exists() { self.target.class } else { self.to.class }
    }
}

/// Whether an address is one of a pod's own.
#[inline(always)]
pub(crate) fn owns(endpoint: &EndpointValue, addr: &Addr) -> bool {
    *addr == endpoint.v4 || *addr == endpoint.v6
}

/// The class of a source that is no local pod. What was masqueraded, and what claims to be a node without a key to show
/// for it, is nobody: only peers that match every source match it.
#[inline(always)]
pub(crate) fn class_by_origin(party: &Party, origin: u32, v6: bool) -> u32 {
    let unproven = party.is(AddressKind::RemoteNode) && origin != Origin::Peer as u32;
    if mistaken!(MasqueradedIsNode) || (!party.is(AddressKind::ThisNode) && !unproven) {
        return party.class;
    }
    match config() {
        Some(config) if v6 => config.transit_class_v6,
        Some(config) => config.transit_class_v4,
        None => 0,
    }
}
