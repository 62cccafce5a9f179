//! What policy says, without flows.
use crate::class::{NO_SERVICE, Party, service};
use crate::maps::{RF_POLICY, RF_PORTS};
use crate::packet::{ALL_UNKNOWN, PORT_UNKNOWN, protocol};
use ringfence_abi::{Addr, AddressKind, EndpointValue, PolicyKey, PolicyValue};

/// Whether a profile admits a class on a port. `port` is in network byte order, or one of the two stand-ins.
#[inline(never)]
pub(crate) fn allows(profile: u32, class: u32, protocol: u32, port: u32) -> bool {
    // SAFETY: not preallocated and never written in place, see `maps::endpoint`.
    let Some(value) = (unsafe { RF_POLICY.get(&PolicyKey { profile, class }) }) else { return false };
    let set = match protocol as u8 {
        protocol::TCP => value.tcp,
        protocol::UDP => value.udp,
        protocol::SCTP => value.sctp,
        _ => value.other,
    };
    if port == ALL_UNKNOWN {
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
    let port = u16::from_be(port as u16);
    bitmap.words[usize::from(port >> 6)] & (1 << (port & 63)) != 0
}

/// Whether a pod is one of the two ends by address.
#[inline(always)]
pub(crate) fn owns(endpoint: &EndpointValue, addr: &Addr) -> bool {
    *addr == endpoint.v4 || *addr == endpoint.v6
}

/// The pod's peer class, by family.
#[inline(always)]
pub(crate) fn class_of(endpoint: &EndpointValue, v6: u8) -> u32 {
    if v6 == 0 { endpoint.class_v4 } else { endpoint.class_v6 }
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

/// Whether a pod's egress policy admits what it sends. Its own node and itself always; another node's port that is a
/// Service's by that Service's backends.
#[inline(always)]
pub(crate) fn egress_allows(source: &EndpointValue, to: Target<'_>) -> bool {
    if source.egress_profile == 0 || to.party.is(AddressKind::ThisNode) || owns(source, to.addr) {
        return true;
    }
    let protocol = u32::from(to.protocol);
    if to.party.is(AddressKind::RemoteNode) || to.party.is(AddressKind::RemoteTransit) {
        let class = service(to.addr, to.port, protocol);
        if class != NO_SERVICE && class != 0 {
            return allows(source.egress_profile, class as u32, protocol, to.port);
        }
    }
    allows(source.egress_profile, to.party.class, protocol, to.port)
}

/// Whether a pod's ingress policy admits what a class sends to it.
#[inline(always)]
pub(crate) fn ingress_allows(target: &EndpointValue, class: u32, protocol: u8, port: u32) -> bool {
    target.ingress_profile == 0 || allows(target.ingress_profile, class, u32::from(protocol), port)
}
