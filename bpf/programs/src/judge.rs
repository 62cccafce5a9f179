//! What policy says, without flows.
use crate::class::{NO_SERVICE, Party, service};
use crate::maps::{RF_POLICY, RF_PORTS};
use crate::mistake::mistaken;
use crate::packet::{ALL_UNKNOWN, PORT_UNKNOWN, protocol};
use ringfence_abi::{Addr, AddressKind, PolicyKey, PolicyValue};

/// Whether a profile admits a class on a port. `port` is in network byte order, or one of the two stand-ins.
#[inline(always)]
pub(crate) fn allows(profile: u32, class: u32, protocol: u8, port: u32) -> bool {
    // SAFETY: not preallocated and never written in place, see `maps::endpoint`.
    let Some(value) = (unsafe { RF_POLICY.get(&PolicyKey { profile, class }) }) else { return false };
    let set = match protocol {
        protocol::TCP => value.tcp,
        protocol::UDP => value.udp,
        protocol::SCTP => value.sctp,
        _ => value.other,
    };
    if port == ALL_UNKNOWN && !mistaken!(UnreadableIsOther) {
        let all = PolicyValue::ALL;
        return value.tcp == all && value.udp == all && value.sctp == all && value.other == all;
    }
    match set {
        PolicyValue::NONE => false,
        PolicyValue::ALL => true,
        _ if port == PORT_UNKNOWN => false,
        index => in_bitmap(index, port),
    }
}

#[inline(always)]
fn in_bitmap(index: u32, port: u32) -> bool {
    let Some(bitmap) = RF_PORTS.get(index) else { return false };
    let port = if mistaken!(PortsSwapped) { port as u16 } else { u16::from_be(port as u16) };
    bitmap.words[usize::from(port >> 6)] & (1 << (port & 63)) != 0
}

/// Where a packet goes.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) addr: &'a Addr,
    pub(crate) party: Party,
    pub(crate) protocol: u8,
    /// As in [`allows`].
    pub(crate) port: u32,
}

/// Whether the egress policy of the pod behind a veth admits what it sends. Its own node and itself always; another node's port that is a
/// Service's by that Service's backends.
#[inline(always)]
pub(crate) fn egress_allows(ifindex: u32, egress: u32, to: Target<'_>) -> bool {
    let itself = to.party.is(AddressKind::LocalPod) && to.party.owner == ifindex;
    if egress == 0 || to.party.is(AddressKind::ThisNode) || itself {
        return true;
    }
    if to.party.is(AddressKind::RemoteNode) || to.party.is(AddressKind::RemoteTransit) {
        let class = service(to.addr, to.port, to.protocol);
        if class != NO_SERVICE && class != 0 {
            return allows(egress, class as u32, to.protocol, to.port);
        }
    }
    allows(egress, to.party.class, to.protocol, to.port)
}

/// Whether a pod's ingress policy admits what a class sends to it.
#[inline(always)]
pub(crate) fn ingress_allows(ingress: u32, class: u32, protocol: u8, port: u32) -> bool {
    ingress == 0 || allows(ingress, class, protocol, port)
}
