//! Services and the slices that say where their backends are.
use super::{Labels, ObjectName, Protocol};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A Service. Headless ones and those of type ExternalName have no address or node port here, and decide nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Service {
    /// Namespace and name.
    pub name: ObjectName,
    /// `spec.selector`; `None` if its slices are made by hand. Backends are taken from slices where there are any for
    /// this Service, else from pods selected by this (manifests rarely hold slices).
    pub selector: Option<Labels>,
    /// `spec.clusterIPs`.
    pub cluster_ips: Vec<IpAddr>,
    /// `spec.externalIPs` and `status.loadBalancer.ingress[].ip`.
    pub external_ips: Vec<IpAddr>,
    /// `spec.externalTrafficPolicy`.
    pub external_traffic_policy: TrafficPolicy,
    /// `spec.internalTrafficPolicy`.
    pub internal_traffic_policy: TrafficPolicy,
    /// `spec.ports`.
    pub ports: Vec<ServicePort>,
}

/// Which backends a node may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum TrafficPolicy {
    /// All.
    #[default]
    Cluster,
    /// Those of the node that the packet came to.
    Local,
}

/// One entry of `spec.ports`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServicePort {
    /// `name`; empty where there is one port only.
    pub name: String,
    /// `protocol`.
    pub protocol: Protocol,
    /// `port`.
    pub port: u16,
    /// `targetPort`, by default the same as `port`.
    pub target: TargetPort,
    /// `nodePort`, if any.
    pub node_port: Option<u16>,
}

/// `targetPort`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TargetPort {
    /// The same on every backend.
    Number(u16),
    /// The container port of this name, per pod.
    Named(String),
}

/// An EndpointSlice of a Service.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EndpointSlice {
    /// Namespace and name.
    pub name: ObjectName,
    /// Label `kubernetes.io/service-name`.
    pub service: String,
    /// `endpoints`.
    pub endpoints: Vec<Endpoint>,
    /// `ports`.
    pub ports: Vec<SlicePort>,
}

/// One backend of a slice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its addresses, of the slice's family.
    pub addresses: Vec<IpAddr>,
    /// `conditions.ready` (absent: ready).
    pub ready: bool,
    /// `nodeName`.
    pub node: Option<String>,
}

/// One port of a slice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SlicePort {
    /// Name of the Service's port.
    pub name: String,
    /// `protocol`.
    pub protocol: Protocol,
    /// `port`; absent: all.
    pub port: Option<u16>,
}
