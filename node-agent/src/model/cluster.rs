//! Pods, namespaces and nodes.
use super::{Labels, ObjectName, Protocol};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// A pod. A completed or deleted pod is not represented: it has given up its addresses.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pod {
    /// Namespace and name.
    pub name: ObjectName,
    /// `metadata.uid`; in manifests without one, made from the name.
    pub uid: String,
    /// `metadata.labels`, shared by pods that have the same.
    pub labels: Arc<Labels>,
    /// `spec.nodeName`, if scheduled.
    pub node: Option<String>,
    /// `status.podIPs`, at most one of each family. Empty until known. A host-network pod's are its node's.
    pub addresses: Vec<IpAddr>,
    /// `spec.hostNetwork`: for policy and mesh it is its node.
    pub host_network: bool,
    /// Every container's (and sidecar's) ports.
    pub ports: Vec<ContainerPort>,
}

/// One entry of a container's `ports`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ContainerPort {
    /// `name`, which policies and Services may refer to.
    pub name: Option<String>,
    /// `containerPort`.
    pub port: u16,
    /// `protocol`, TCP by default.
    pub protocol: Protocol,
    /// `hostPort`, if any.
    pub host_port: Option<u16>,
}

/// A namespace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Namespace {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.labels`, with `kubernetes.io/metadata.name` as the API server sets it.
    pub labels: Arc<Labels>,
}

/// A node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Node {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`; in manifests without one, made from the name.
    pub uid: String,
    /// `metadata.creationTimestamp` (RFC 3339, so it sorts), empty if not known: who was first where two claim one CIDR.
    pub created: String,
    /// `metadata.labels`.
    pub labels: Arc<Labels>,
    /// `spec.podCIDRs`, host bits masked.
    pub pod_cidrs: Vec<IpNetwork>,
    /// `status.addresses` of type InternalIP, first of each family first.
    pub addresses: Vec<IpAddr>,
}
