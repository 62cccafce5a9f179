//! Which fields of each kind are decoded, and so are all that is read. `watch/object` has the decoders; tests hold
//! both together.
use super::keep::Keep;
use super::keep::Keep::{All, Fields};
use crate::watch::Kind;
use crate::watch::object::MIRROR;

/// What every object is known by. Owners decide nothing about what is watched; annotations and managed fields are most of
/// many an object.
const META: Keep = Fields(&[
    ("name", All),
    ("namespace", All),
    ("uid", All),
    ("resourceVersion", All),
    ("creationTimestamp", All),
    ("labels", All),
]);

/// Static pods are known by an annotation.
const POD_META: Keep = Fields(&[
    ("name", All),
    ("namespace", All),
    ("uid", All),
    ("resourceVersion", All),
    ("creationTimestamp", All),
    ("labels", All),
    ("annotations", Fields(&[(MIRROR, All)])),
]);

const CONTAINERS: Keep = Fields(&[
    ("name", All),
    ("restartPolicy", All),
    (
        "ports",
        Fields(&[
            ("name", All),
            ("containerPort", All),
            ("hostPort", All),
            ("hostIP", All),
            ("protocol", All),
        ]),
    ),
]);

const POD: Keep = Fields(&[
    ("metadata", POD_META),
    (
        "spec",
        Fields(&[
            ("nodeName", All),
            ("hostNetwork", All),
            ("initContainers", CONTAINERS),
            ("containers", CONTAINERS),
        ]),
    ),
    ("status", Fields(&[("phase", All), ("podIP", All), ("podIPs", All)])),
]);

const NODE: Keep = Fields(&[
    ("metadata", META),
    ("spec", Fields(&[("podCIDR", All), ("podCIDRs", All)])),
    ("status", Fields(&[("addresses", All)])),
]);

const NAMESPACE: Keep = Fields(&[("metadata", META)]);

const SERVICE: Keep =
    Fields(&[("metadata", META), ("spec", All), ("status", Fields(&[("loadBalancer", All)]))]);

const SLICE: Keep = Fields(&[
    ("metadata", META),
    ("addressType", All),
    (
        "endpoints",
        Fields(&[("addresses", All), ("conditions", Fields(&[("ready", All)])), ("nodeName", All)]),
    ),
    ("ports", Fields(&[("name", All), ("protocol", All), ("port", All)])),
]);

/// Of these, fields that we do not know matter: they may narrow, or mean something else, in a way we cannot see.
const WHOLE: Keep = Keep::All;

const OURS: Keep = Fields(&[("apiVersion", All), ("kind", All), ("metadata", META), ("spec", All)]);

/// What is read of objects of a kind.
pub(super) const fn of(kind: Kind) -> Keep {
    match kind {
        Kind::Namespace => NAMESPACE,
        Kind::Node => NODE,
        Kind::Pod => POD,
        Kind::Service => SERVICE,
        Kind::EndpointSlice => SLICE,
        Kind::NetworkPolicy => WHOLE,
        Kind::RingfenceNode | Kind::RingfenceMesh | Kind::RingfenceRotation | Kind::RingfenceRevocation => {
            OURS
        }
    }
}
