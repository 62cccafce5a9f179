//! Kubernetes objects as we use them: plain, validated, with only the fields that decide something.
//!
//! Converted once, in `watch`. What an object said that cannot be understood is an explicit, restrictive value here
//! (a peer that matches nothing, a selector that selects everything it might isolate), together with a [`Problem`].

mod cluster;
mod labels;
mod network_policy;
mod rotation;
mod service;

pub use cluster::{ContainerPort, Namespace, Node, Pod};
pub use labels::{Expression, LabelSelector, Labels, Operator};
pub use network_policy::{IpBlock, NamespaceMatch, NetworkPolicy, Peer, Peers, PortMatch, Ports, Rule};
pub use rotation::{MESH, MeshEpoch, Revocation, RotationRequest};
pub use service::{Endpoint, EndpointSlice, Service, ServicePort, SlicePort, TargetPort, TrafficPolicy};

use serde::{Deserialize, Serialize};
use std::fmt;

/// The transport protocols that policies and Services name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// IP protocol 6.
    Tcp,
    /// IP protocol 17.
    Udp,
    /// IP protocol 132.
    Sctp,
}

impl Protocol {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// The IP protocol number (IANA).
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

/// Namespace and name of a namespaced object; the namespace is empty for cluster-scoped ones.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ObjectName {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl ObjectName {
    /// From its two parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// Which state of a source something was read from: equal if, and (but for accidents of hashing) only if, the source held
/// the same. Written as sixteen hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SourceVersion(pub u64);

impl fmt::Display for SourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Something about an object that could not be taken as written. It is enforced restrictively and reported.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// Where it was read: a file (and document number), or the API server.
    pub source: String,
    /// `kind`, e.g. `NetworkPolicy`.
    pub kind: String,
    /// Which object.
    pub object: ObjectName,
    /// Path of the field, e.g. `spec.ingress[0].from[1].ipBlock.cidr`.
    pub field: String,
    /// What is wrong with it, what is done instead, and how to mend it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}: {}: {}", self.source, self.kind, self.object, self.field, self.message)
    }
}
