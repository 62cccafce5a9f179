//! TCP in mid-stream without a flow: evicted under a flood, or older than the pod's isolation.
use crate::class::{NO_SERVICE, service};
use crate::judge::{allows, egress_allows, ingress_allows};
use crate::packet::tcp;
use crate::roles::{only_accepted, only_opened};
use crate::scene::{Scene, pod_class};
use ringfence_abi::{AddressKind, EndpointValue};

/// Whether the packet, which policy refuses in its own direction, can only be an answer on a connection that policy
/// lets the other end open: the ports say who is the client, and policy is asked in its name.
#[inline(always)]
pub(crate) fn resumes(scene: &Scene) -> bool {
    scene.packet.tcp(tcp::SYN, 0) && answers(scene)
}

#[inline(never)]
fn answers(scene: &Scene) -> bool {
    if scene.source.is_none() && scene.target.is_none() {
        return false;
    }
    if let Some(target) = scene.target {
        if !only_opened(scene.target_ifindex, scene.packet.dst_port) || !may_have_opened(scene, target) {
            return false;
        }
    }
    let Some(source) = scene.source else { return true };
    if scene.source_is_own() {
        let class = match scene.target {
            Some(target) => pod_class(target, &scene.packet),
            None => scene.to.class,
        };
        return only_accepted(scene.source_ifindex, scene.packet.src_port)
            && ingress_allows(source, class, scene.packet.protocol, scene.packet.from_port());
    }
    // NAT has put a Service's address there: the pod's own port cannot be told any more.
    source.ingress_profile == 0 && scene.target.is_some()
}

/// Whether the target's egress policy lets it open a connection to where the packet is from.
#[inline(always)]
fn may_have_opened(scene: &Scene, target: &EndpointValue) -> bool {
    if target.egress_profile == 0 {
        return true;
    }
    let own = scene.source.is_none() || scene.source_is_own();
    if !own || scene.from.is(AddressKind::ThisNode) {
        return false;
    }
    let to = scene.origin_as_target();
    if scene.from.is(AddressKind::External) {
        let class = service(to.addr, to.port, u32::from(to.protocol));
        if class != NO_SERVICE {
            return class != 0 && allows(target.egress_profile, class as u32, u32::from(to.protocol), to.port);
        }
    }
    egress_allows(target, to)
}
