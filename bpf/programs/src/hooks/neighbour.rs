//! Neighbour discovery and group membership: what a link needs to live, and what a pod may not say on it.
use crate::packet::{Packet, protocol};
use ringfence_abi::Addr;

/// ICMPv6 types (RFC 4861, RFC 2710, RFC 3810).
const QUERY: u8 = 130;
const REPORT: u8 = 131;
const DONE: u8 = 132;
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;
const REPORT_V2: u8 = 143;

/// `fe80::/10`, as the first word lies in memory.
const LINK_LOCAL: u32 = u32::from_ne_bytes([0xfe, 0x80, 0, 0]);
const LINK_LOCAL_MASK: u32 = u32::from_ne_bytes([0xff, 0xc0, 0, 0]);

#[inline(always)]
fn icmpv6(packet: &Packet) -> bool {
    packet.protocol == protocol::ICMPV6 && packet.v6 != 0 && packet.whole()
}

/// `fe80::/10`.
#[inline(always)]
pub(super) fn is_link_local(addr: &Addr) -> bool {
    addr.words[0] & LINK_LOCAL_MASK == LINK_LOCAL
}

/// `127.0.0.0/8` and `::1`. The kernel refuses the former off a device only as long as nobody sets `route_localnet` there,
/// which portmap does for every pod with a hostPort and kube-proxy for all devices.
#[inline(always)]
pub(super) fn is_loopback(addr: &Addr) -> bool {
    const ONE: u32 = 1u32.to_be();
    let v4 = addr.is_v4() && addr.words[3].to_ne_bytes()[0] == 127;
    v4 || (addr.words[0] | addr.words[1] | addr.words[2] == 0 && addr.words[3] == ONE)
}

/// `ff00::/8`.
#[inline(always)]
pub(super) fn is_multicast(addr: &Addr) -> bool {
    addr.words[0].to_ne_bytes()[0] == 0xff
}

/// Discovery that cannot have crossed a router, and group reports of the link.
#[inline(always)]
pub(super) fn is_neighbour(packet: &Packet) -> bool {
    if !icmpv6(packet) {
        return false;
    }
    match packet.kind {
        ROUTER_SOLICITATION | NEIGHBOUR_SOLICITATION | NEIGHBOUR_ADVERTISEMENT => packet.hop_limit == 255,
        QUERY | REPORT | DONE | REPORT_V2 => {
            let source = &packet.src.addr;
            packet.hop_limit == 1 && (source.is_none() || is_link_local(source))
        }
        _ => false,
    }
}

/// What only routers say.
#[inline(always)]
pub(super) fn is_router(packet: &Packet) -> bool {
    icmpv6(packet) && matches!(packet.kind, ROUTER_ADVERTISEMENT | REDIRECT)
}
