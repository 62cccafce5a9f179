//! A flow of an older policy generation asks policy again, in the name of who opened it.
use crate::class::{Party, locate};
use crate::judge::{Target, class_of, egress_allows, ingress_allows};
use crate::maps::endpoint;
use crate::packet::Located;
use crate::scene::class_by_origin;
use ringfence_abi::{EndpointValue, FlowKey, FlowValue, Origin};

/// Whether policy still lets the opener reach the other end. Both pods must still be who they were.
#[inline(never)]
pub(super) fn prove(flow: &FlowValue, key: &FlowKey) -> bool {
    let Some(source) = same(flow.opener_ifindex, flow.opener_endpoint) else { return false };
    let Some(target) = same(flow.target_ifindex, flow.target_endpoint) else { return false };
    let lo = flow.opener_is_lo != 0;
    let (from, to, port) = if lo { (key.lo, key.hi, key.hi_port) } else { (key.hi, key.lo, key.lo_port) };
    if let Some(source) = source.filter(|source| source.egress_profile != 0) {
        let at = Located::at(to);
        let party = locate(&at);
        let target = Target { addr: &at.addr, party, protocol: key.protocol, port: u32::from(port) };
        if !egress_allows(source, target) {
            return false;
        }
    }
    let Some(target) = target.filter(|target| target.ingress_profile != 0) else { return true };
    let class = match source {
        Some(source) if source.id == target.id => return true,
        Some(source) => class_of(source, u8::from(!to.is_v4())),
        None if flow.origin == Origin::None as u8 => return true,
        None => {
            let at = Located::at(from);
            let party: Party = locate(&at);
            class_by_origin(&party, flow.origin, u8::from(!to.is_v4()))
        }
    };
    ingress_allows(target, class, key.protocol, u32::from(port))
}

/// The pod that took part, if one did. None: it is gone, or shut off.
#[inline(always)]
fn same(ifindex: u32, id: u32) -> Option<Option<&'static EndpointValue>> {
    if ifindex == 0 {
        return Some(None);
    }
    let value = endpoint(ifindex)?;
    if value.id == id && value.flags & EndpointValue::DENY_ALL == 0 { Some(Some(value)) } else { None }
}
