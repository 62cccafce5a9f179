//! Kubernetes objects into `model` values: the one place where they are decoded, validated and defaulted.
//!
//! One code path serves both strictnesses. Whatever the API server would refuse is a [`Finding`] with the field's path.
//! A manifest with findings is refused; from a watch, the value decoded beside them is restrictive (see
//! `network_policy`), is enforced and reported. Fields that we do not read are not checked.

mod address;
mod cluster;
mod endpoints;
mod findings;
mod kind;
mod meta;
mod network_policy;
mod network_policy_rule;
mod path;
mod pod;
mod port;
mod rotation;
mod selector;
mod service;
mod shape;
mod slice;
mod syntax;
#[cfg(test)]
mod tests;
mod workload;

pub use findings::Finding;
pub use kind::Kind;
pub use workload::WorkloadKind;

pub(crate) use address::{address, overlap};
pub(crate) use cluster::{NODE_LABELS, make_namespace};
pub(crate) use endpoints::Endpoints;
pub(crate) use kind::{Concern, concern};
pub(crate) use meta::{MIRROR, Owner};
pub(crate) use pod::PodObject;
pub(crate) use service::ServiceObject;
pub(crate) use slice::SERVICE_NAME;
pub(crate) use workload::{Count, Workload};

use crate::model::{
    EndpointSlice, MeshEpoch, Namespace, NetworkPolicy, Node, ObjectName, Revocation, RotationRequest,
};
use findings::Findings;
use ringfence_keyring::Publication;
use serde_json::Value;

/// An object as read, before a directory completes it.
#[derive(Clone, Debug)]
pub(crate) enum Read {
    Namespace(Namespace),
    Node(Node),
    Pod(PodObject),
    Service(ServiceObject),
    EndpointSlice(EndpointSlice),
    NetworkPolicy(NetworkPolicy),
    RingfenceNode(Box<Publication>),
    RingfenceMesh(MeshEpoch),
    RingfenceRotation(RotationRequest),
    RingfenceRevocation(Revocation),
    Workload(Workload),
    Endpoints(Endpoints),
}

/// What reading one object gave.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// Its kind, as written.
    pub(crate) kind: String,
    /// Its name; empty where even that could not be read.
    pub(crate) name: ObjectName,
    /// The value; `None` if it could not be decoded at all. With findings it is the restrictive one.
    pub(crate) read: Option<Read>,
    /// What the API server would refuse.
    pub(crate) findings: Vec<Finding>,
}

/// Reads an object of a kind that concerns us.
pub(crate) fn read(concern: Concern, kind: &str, object: &Value) -> Reading {
    let mut f = Findings::default();
    let (namespaced, rule) = match concern {
        Concern::Watched(kind) => (kind.namespaced(), kind.name_rule()),
        _ => (true, syntax::dns_subdomain as meta::NameRule),
    };
    let meta = meta::read(object, namespaced, rule, &mut f);
    let name = meta.as_ref().map_or_else(|| ObjectName::new("", ""), |m| m.name.clone());
    let read = meta.and_then(|meta| match concern {
        Concern::Watched(Kind::Namespace) => Some(Read::Namespace(cluster::namespace(meta))),
        Concern::Watched(Kind::Node) => cluster::node(meta, object, &mut f).map(Read::Node),
        Concern::Watched(Kind::Pod) => pod::read(&path::FieldPath::Root, meta, object, &mut f).map(Read::Pod),
        Concern::Watched(Kind::Service) => service::read(meta, object, &mut f).map(Read::Service),
        Concern::Watched(Kind::EndpointSlice) => slice::read(meta, object, &mut f).map(Read::EndpointSlice),
        Concern::Watched(Kind::NetworkPolicy) => {
            Some(Read::NetworkPolicy(network_policy::read(meta, object, &mut f)))
        }
        Concern::Endpoints => endpoints::read(meta, object, &mut f).map(Read::Endpoints),
        Concern::Workload(kind) => workload::read(kind, meta, object, &mut f).map(Read::Workload),
        Concern::Watched(Kind::RingfenceNode) => publication(object, &mut f).map(Read::RingfenceNode),
        Concern::Watched(Kind::RingfenceMesh) => {
            rotation::mesh(&name.name, object, &mut f).map(Read::RingfenceMesh)
        }
        Concern::Watched(Kind::RingfenceRotation) => {
            rotation::request(object, &mut f).map(Read::RingfenceRotation)
        }
        Concern::Watched(Kind::RingfenceRevocation) => {
            rotation::revocation(object, &mut f).map(Read::RingfenceRevocation)
        }
        Concern::Outdated(_) | Concern::Other => None,
    });
    if let Concern::Outdated(version) = concern {
        f.add(
            &path::FieldPath::Root.key("apiVersion"),
            format!("API servers no longer serve this version: write {version}"),
        );
    }
    Reading { kind: kind.to_owned(), name, read, findings: f.0 }
}

fn publication(object: &Value, f: &mut Findings) -> Option<Box<Publication>> {
    match Publication::from_value(object.clone()) {
        Ok(publication) => Some(Box::new(publication)),
        Err(error) => {
            let field = if error.field == "." { String::new() } else { error.field };
            f.0.push(Finding { field, message: error.reason, instead: None });
            None
        }
    }
}
