//! Which kinds concern us, and under which API versions.
use super::syntax;
use super::workload::WorkloadKind;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kinds that are watched.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// v1.
    Namespace,
    /// v1.
    Node,
    /// v1.
    Pod,
    /// v1.
    Service,
    /// discovery.k8s.io/v1.
    EndpointSlice,
    /// networking.k8s.io/v1.
    NetworkPolicy,
    /// ringfence.dev/v1alpha1: what a node publishes.
    RingfenceNode,
    /// ringfence.dev/v1alpha1: the mesh's epoch.
    RingfenceMesh,
    /// ringfence.dev/v1alpha1: somebody wants keys to rotate.
    RingfenceRotation,
    /// ringfence.dev/v1alpha1: a node is not trusted any more, or again.
    RingfenceRevocation,
}

impl Kind {
    /// All of them. Nothing is programmed before each has synced.
    pub const ALL: [Self; 10] = [
        Self::Namespace,
        Self::Node,
        Self::Pod,
        Self::Service,
        Self::EndpointSlice,
        Self::NetworkPolicy,
        Self::RingfenceNode,
        Self::RingfenceMesh,
        Self::RingfenceRotation,
        Self::RingfenceRevocation,
    ];

    /// `apiVersion` of its objects.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::Namespace | Self::Node | Self::Pod | Self::Service => "v1",
            Self::EndpointSlice => "discovery.k8s.io/v1",
            Self::NetworkPolicy => "networking.k8s.io/v1",
            Self::RingfenceNode
            | Self::RingfenceMesh
            | Self::RingfenceRotation
            | Self::RingfenceRevocation => "ringfence.dev/v1alpha1",
        }
    }

    /// Whether its objects are in namespaces.
    pub const fn namespaced(self) -> bool {
        !matches!(self, Self::Namespace | Self::Node) && !self.is_ours()
    }

    /// Whether it is a kind of Ringfence's own, about keys.
    pub const fn is_ours(self) -> bool {
        matches!(
            self,
            Self::RingfenceNode | Self::RingfenceMesh | Self::RingfenceRotation | Self::RingfenceRevocation
        )
    }

    /// Whether one object can contradict another of its kind, so that it matters where each was read.
    pub const fn contradictable(self) -> bool {
        matches!(self, Self::Node | Self::RingfenceNode)
    }

    /// The rule for its objects' names.
    pub(crate) fn name_rule(self) -> super::meta::NameRule {
        match self {
            Self::Namespace => syntax::dns_label,
            Self::Service => syntax::dns_1035_label,
            _ => syntax::dns_subdomain,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What an object is to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Concern {
    Watched(Kind),
    Workload(WorkloadKind),
    /// v1 Endpoints.
    Endpoints,
    /// A kind of ours in a version that no API server serves any more; write this one.
    Outdated(&'static str),
    /// No concern of ours.
    Other,
}

const WORKLOADS: [(&str, &str, WorkloadKind); 7] = [
    ("Deployment", "apps/v1", WorkloadKind::Deployment),
    ("StatefulSet", "apps/v1", WorkloadKind::StatefulSet),
    ("DaemonSet", "apps/v1", WorkloadKind::DaemonSet),
    ("ReplicaSet", "apps/v1", WorkloadKind::ReplicaSet),
    ("ReplicationController", "v1", WorkloadKind::ReplicationController),
    ("Job", "batch/v1", WorkloadKind::Job),
    ("CronJob", "batch/v1", WorkloadKind::CronJob),
];

/// Says what a kind is to us. `extensions` and other versions of our groups were served once.
pub(crate) fn concern(api_version: &str, kind: &str) -> Concern {
    if (api_version, kind) == ("v1", "Endpoints") {
        return Concern::Endpoints;
    }
    let watched = Kind::ALL
        .into_iter()
        .find(|k| format!("{k:?}") == kind)
        .map(|k| (k.api_version(), Concern::Watched(k)));
    let workload = WORKLOADS
        .iter()
        .find(|(name, ..)| *name == kind)
        .map(|(_, version, k)| (*version, Concern::Workload(*k)));
    let Some((version, concern)) = watched.or(workload) else { return Concern::Other };
    let group = |version: &str| version.rsplit_once('/').map_or(String::new(), |(group, _)| group.to_owned());
    match group(api_version) {
        _ if api_version == version => concern,
        g if g == group(version) || (g == "extensions" && !version.starts_with("ringfence")) => {
            Concern::Outdated(version)
        }
        _ => Concern::Other,
    }
}
