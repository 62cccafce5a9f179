//! What lies in front of the IP header, by kind of device.
use super::ip;
use crate::bytes::{Skb, copy, direct};
use crate::globals::wg_link_header;
use crate::packet::Packet;

/// EtherTypes (IANA) as they lie in memory.
const IPV4: u16 = 0x0800u16.to_be();
const IPV6: u16 = 0x86ddu16.to_be();
const ARP: u16 = 0x0806u16.to_be();
const VLAN: u16 = 0x8100u16.to_be();
const SERVICE_VLAN: u16 = 0x88a8u16.to_be();
/// Of a VLAN tag, the bits that name the network; 0 names none (IEEE 802.1Q, priority tag).
const VLAN_ID: u32 = 0x0fff;

const ETHERNET: usize = 14;

/// What a frame carries.
pub(crate) enum Link {
    /// IP, and the packet has been read.
    Ip,
    /// IPv4's address resolution.
    Arp,
    /// A VLAN tag behind another that the kernel has taken off already. Behind a tag without a network the kernel takes
    /// this one off too, and what it hides goes to IP with no classifier in between (`__netif_receive_skb_core`,
    /// net/core/dev.c, `check_vlan_id`).
    Tagged,
    /// Anything else.
    Other,
    /// IP, of which not even the addresses can be read.
    Unreadable,
}

#[inline(always)]
fn ethertype(skb: Skb) -> u16 {
    // SAFETY: `skb` is the program's context.
    unsafe { (*skb).protocol as u16 }
}

#[inline(always)]
fn is_vlan(kind: u16) -> bool {
    kind == VLAN || kind == SERVICE_VLAN
}

/// Whether the frame carries IPv6, or IPv4; None: neither.
#[inline(always)]
pub(crate) fn family(skb: Skb) -> Option<bool> {
    match ethertype(skb) {
        IPV4 => Some(false),
        IPV6 => Some(true),
        _ => None,
    }
}

#[inline(always)]
fn read(readable: bool) -> Link {
    if readable { Link::Ip } else { Link::Unreadable }
}

/// An Ethernet frame on a pod's veth.
#[inline(always)]
pub(crate) fn ethernet(skb: Skb, packet: &mut Packet) -> Link {
    match ethertype(skb) {
        IPV4 => read(ip(skb, ETHERNET, false, packet)),
        IPV6 => read(ip(skb, ETHERNET, true, packet)),
        ARP => Link::Arp,
        kind if is_vlan(kind) => Link::Tagged,
        _ => Link::Other,
    }
}

/// A packet on a WireGuard device: no link header, and IP only.
#[inline(always)]
pub(crate) fn mesh(skb: Skb, packet: &mut Packet) -> Link {
    let l3 = if wg_link_header() == 0 { 0 } else { ETHERNET };
    match ethertype(skb) {
        IPV4 => read(ip(skb, l3, false, packet)),
        IPV6 => read(ip(skb, l3, true, packet)),
        _ => Link::Unreadable,
    }
}

/// A frame on any other device of the node, which may be one without a link header (a tunnel, a modem): the kernel's
/// own idea of the protocol says which.
#[inline(always)]
pub(crate) fn underlay(skb: Skb, packet: &mut Packet) -> Link {
    let kind = ethertype(skb);
    if kind != IPV4 && kind != IPV6 {
        // SAFETY: `skb` is the program's context.
        let nowhere = unsafe { (*skb).vlan_tci } & VLAN_ID == 0;
        return match kind {
            ARP => Link::Arp,
            // Behind a tag that names a network it waits for that network's device, which bears programs of its own.
            _ if is_vlan(kind) && nowhere => Link::Tagged,
            _ => Link::Other,
        };
    }
    let v6 = kind == IPV6;
    let framed = match direct::<u16>(skb, ETHERNET - 2) {
        // SAFETY: `direct` has checked the bounds; BPF reads unaligned words.
        Some(at) => unsafe { *at == kind },
        None => {
            let mut at = 0u16;
            copy(skb, ETHERNET as u32 - 2, &mut at) && at == kind
        }
    };
    if framed { read(ip(skb, ETHERNET, v6, packet)) } else { read(ip(skb, 0, v6, packet)) }
}
