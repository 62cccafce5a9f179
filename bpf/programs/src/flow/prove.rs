//! A flow of an older policy generation asks policy again, in the name of who opened it.
use crate::class::locate;
use crate::judge::{Target, egress_allows, ingress_allows};
use crate::maps::endpoint;
use crate::mistake::mistaken;
use crate::packet::Located;
use crate::scene::class_by_origin;
use ringfence_abi::{EndpointValue, FlowKey, FlowValue, Origin};

/// Whether policy still lets the opener reach the other end. Both pods must still be who they were.
#[inline(always)]
pub(super) fn allowed(flow: &FlowValue, key: &FlowKey) -> bool {
    let lo = flow.opener_is_lo != 0;
    let (from, to, port) = if lo { (&key.lo, &key.hi, key.hi_port) } else { (&key.hi, &key.lo, key.lo_port) };
    let (v6, port) = (!to.is_v4(), u32::from(port));
    let (mut egress, mut class, mut ingress) = (0, 0, 0);
    if flow.opener_ifindex != 0 {
        let Some(source) = same(flow.opener_ifindex, flow.opener_endpoint) else {
            return mistaken!(FlowOfStrangers);
        };
        egress = source.egress_profile;
        class = if v6 { source.class_v6 } else { source.class_v4 };
    }
    if flow.target_ifindex != 0 {
        let Some(target) = same(flow.target_ifindex, flow.target_endpoint) else {
            return mistaken!(FlowOfStrangers);
        };
        ingress = target.ingress_profile;
    }
    if egress != 0 {
        let at = Located::at(*to);
        let to = Target { addr: &at.addr, party: locate(&at), protocol: key.protocol, port };
        if !egress_allows(flow.opener_ifindex, egress, to) {
            return false;
        }
    }
    let of_this_node = flow.opener_ifindex == 0 && flow.origin == Origin::None as u8;
    if ingress == 0 || of_this_node || flow.opener_ifindex == flow.target_ifindex {
        return true;
    }
    if flow.opener_ifindex == 0 {
        let at = Located::at(*from);
        class = class_by_origin(&locate(&at), u32::from(flow.origin), v6);
    }
    ingress_allows(ingress, class, key.protocol, port)
}

/// The pod that took part. None: it is gone, another, or shut off.
#[inline(always)]
fn same(ifindex: u32, id: u32) -> Option<&'static EndpointValue> {
    let value = endpoint(ifindex)?;
    if value.id == id && value.flags & EndpointValue::DENY_ALL == 0 { Some(value) } else { None }
}
