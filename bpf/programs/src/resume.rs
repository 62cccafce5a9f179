//! TCP in mid-stream without a flow: evicted under a flood, or older than the pod's isolation.
use crate::class::{NO_SERVICE, service};
use crate::judge::{allows, egress_allows, ingress_allows};
use crate::mistake::mistaken;
use crate::packet::tcp;
use crate::roles::{only_accepted, only_opened};
use crate::scene::Scene;
use ringfence_abi::AddressKind;

/// Whether the packet, which policy refuses in its own direction, can only be an answer on a connection that policy
/// lets the other end open: the ports say who is the client, and policy is asked in its name.
#[inline(always)]
pub(crate) fn resumes(scene: &Scene) -> bool {
    // SAFETY: a reference is a valid pointer.
    scene.packet.tcp(tcp::SYN, 0) && unsafe { rf_resumes(scene) } != 0
}

/// See [`resumes`].
///
/// # Safety
/// `scene` is valid or null.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn rf_resumes(scene: *const Scene) -> u32 {
    // SAFETY: as above.
    unsafe { scene.as_ref() }.map_or(0, |scene| u32::from(answers(scene)))
}

#[inline(always)]
fn answers(scene: &Scene) -> bool {
    let (source, target, packet) = (&scene.source, &scene.target, &scene.packet);
    if mistaken!(AnythingResumes) {
        return true;
    }
    if target.exists() && !(only_opened(target.ifindex, packet.dst_port) && may_have_opened(scene)) {
        return false;
    }
    if !source.exists() {
        return target.exists();
    }
    if scene.own != 0 {
        return only_accepted(source.ifindex, packet.src_port)
            && ingress_allows(source.ingress, scene.class_there(), packet.protocol, packet.reply_port());
    }
    // NAT has put a Service's address there: the pod's own port cannot be told any more.
    source.ingress == 0 && target.exists()
}

/// Whether the target's egress policy lets it open a connection to where the packet is from.
#[inline(always)]
fn may_have_opened(scene: &Scene) -> bool {
    let target = &scene.target;
    if target.egress == 0 {
        return true;
    }
    let rewritten = scene.source.exists() && scene.own == 0;
    if rewritten || scene.from.is(AddressKind::ThisNode) {
        return false;
    }
    let to = scene.back();
    if scene.from.is(AddressKind::External) {
        let class = service(to.addr, to.port, to.protocol);
        if class != NO_SERVICE {
            return class != 0 && allows(target.egress, class as u32, to.protocol, to.port);
        }
    }
    egress_allows(target.ifindex, target.egress, to)
}
