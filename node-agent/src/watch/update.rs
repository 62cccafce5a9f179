//! What sources say: the boundary that a directory and the API server share.
use super::object::{self, Concern, Kind, Read};
use crate::model::{
    EndpointSlice, MESH, MeshEpoch, Namespace, NetworkPolicy, Node, ObjectName, Pod, Problem, Revocation,
    RotationRequest, Service, SourceVersion,
};
use ringfence_keyring::Publication;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// An object of any watched kind.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Object {
    /// A namespace.
    Namespace(Arc<Namespace>),
    /// A node.
    Node(Arc<Node>),
    /// A pod that has not finished.
    Pod(Arc<Pod>),
    /// A Service.
    Service(Arc<Service>),
    /// An EndpointSlice.
    EndpointSlice(Arc<EndpointSlice>),
    /// A policy.
    NetworkPolicy(Arc<NetworkPolicy>),
    /// What a node publishes.
    RingfenceNode(Arc<Publication>),
    /// The mesh's epoch.
    RingfenceMesh(Arc<MeshEpoch>),
    /// A request to rotate, by its name.
    RingfenceRotation(Arc<str>, Arc<RotationRequest>),
    /// What is said of a node's trustworthiness, by the node's name.
    RingfenceRevocation(Arc<str>, Arc<Revocation>),
}

impl Object {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Namespace(_) => Kind::Namespace,
            Self::Node(_) => Kind::Node,
            Self::Pod(_) => Kind::Pod,
            Self::Service(_) => Kind::Service,
            Self::EndpointSlice(_) => Kind::EndpointSlice,
            Self::NetworkPolicy(_) => Kind::NetworkPolicy,
            Self::RingfenceNode(_) => Kind::RingfenceNode,
            Self::RingfenceMesh(_) => Kind::RingfenceMesh,
            Self::RingfenceRotation(..) => Kind::RingfenceRotation,
            Self::RingfenceRevocation(..) => Kind::RingfenceRevocation,
        }
    }

    /// Its name; the namespace is empty for cluster-scoped ones.
    pub fn name(&self) -> ObjectName {
        match self {
            Self::Namespace(namespace) => ObjectName::new("", &*namespace.name),
            Self::Node(node) => ObjectName::new("", &*node.name),
            Self::Pod(pod) => pod.name.clone(),
            Self::Service(service) => service.name.clone(),
            Self::EndpointSlice(slice) => slice.name.clone(),
            Self::NetworkPolicy(policy) => policy.name.clone(),
            Self::RingfenceNode(publication) => ObjectName::new("", publication.node()),
            Self::RingfenceMesh(_) => ObjectName::new("", MESH),
            Self::RingfenceRotation(name, _) | Self::RingfenceRevocation(name, _) => {
                ObjectName::new("", &**name)
            }
        }
    }
}

/// One thing that a source says.
#[derive(Clone, PartialEq, Debug)]
pub enum Update {
    /// An object is there, or is now like this.
    Applied {
        /// The object.
        object: Object,
        /// Where it was read, of those that others can contradict ([`Kind::contradictable`]); `None` if nobody can say.
        origin: Option<Arc<str>>,
        /// What of it could not be taken as written; empty if all could.
        problems: Vec<Problem>,
    },
    /// An object is there, but no value could be made of it. What was known of it stays.
    Refused {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: ObjectName,
        /// Why.
        problems: Vec<Problem>,
    },
    /// An object is gone.
    Deleted {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: ObjectName,
    },
    /// The source begins to list all objects of a kind again. What was known stays until [`Self::Synced`].
    Restarted(Kind),
    /// All objects of the kind have been listed. Those not mentioned since [`Self::Restarted`] are gone.
    Synced(Kind),
    /// Everything that the source holds at this version has been said.
    Version(SourceVersion),
    /// What is wrong with the source as a whole; replaces what was said of it before, empty if all is well.
    Source {
        /// The problems.
        problems: Vec<Problem>,
    },
}

/// Updates that belong together: what they make is never seen in part.
pub type Batch = Vec<Update>;

/// Makes an update of an object as the API server sent it. `source` is named in problems.
///
/// Nothing is ever passed over silently: a policy that is not understood is enforced restrictively, any other object
/// that cannot be decoded is [`Update::Refused`]. A pod that has finished is gone. `None`: the object has no name, which
/// no API server sends.
pub fn decode(kind: Kind, object: &Value, source: &str) -> Option<Update> {
    let reading = object::read(Concern::Watched(kind), &kind.to_string(), object);
    let name = reading.name;
    if name.name.is_empty() {
        return None;
    }
    let enforced = reading.read.is_some();
    let problem = |f: &object::Finding| f.problem(source.to_owned(), &reading.kind, name.clone(), enforced);
    let problems = reading.findings.iter().map(problem).collect();
    let object = match reading.read {
        Some(Read::Pod(pod)) if pod.finished => return Some(Update::Deleted { kind, name }),
        Some(Read::Pod(pod)) => Object::Pod(Arc::new(pod.pod)),
        Some(Read::Namespace(value)) => Object::Namespace(Arc::new(value)),
        Some(Read::Node(value)) => Object::Node(Arc::new(value)),
        Some(Read::Service(value)) => Object::Service(Arc::new(value.service)),
        Some(Read::EndpointSlice(value)) => Object::EndpointSlice(Arc::new(value)),
        Some(Read::NetworkPolicy(value)) => Object::NetworkPolicy(Arc::new(value)),
        Some(Read::RingfenceNode(value)) => Object::RingfenceNode(Arc::new(*value)),
        Some(Read::RingfenceMesh(value)) => Object::RingfenceMesh(Arc::new(value)),
        Some(Read::RingfenceRotation(value)) => {
            Object::RingfenceRotation(name.name.as_str().into(), Arc::new(value))
        }
        Some(Read::RingfenceRevocation(value)) => {
            Object::RingfenceRevocation(name.name.as_str().into(), Arc::new(value))
        }
        Some(Read::Workload(_) | Read::Endpoints(_)) | None => {
            return Some(Update::Refused { kind, name, problems });
        }
    };
    Some(Update::Applied { object, origin: None, problems })
}
