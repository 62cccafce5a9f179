//! What kube-proxy does on a node: Services as DNAT, masqueraded where kube-proxy's iptables mode would (with a cluster
//! CIDR; kubernetes/kubernetes pkg/proxy/iptables/proxier.go, the rules' comments there).
//!
//! This is not part of the product: it stands in labs where kube-proxy stands in clusters, so it knows nothing of policy.

mod backends;
mod nft;
mod reach;
#[cfg(test)]
mod tests;

pub use nft::ruleset;
pub use reach::reached;

use crate::desired::Snapshot;
use crate::model::{ObjectName, Protocol, TrafficPolicy};
use std::net::{IpAddr, SocketAddr};

/// One port of one Service in one address family.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The Service.
    pub service: ObjectName,
    /// Protocol.
    pub protocol: Protocol,
    /// The Service's own port.
    pub port: u16,
    /// Node port, if any.
    pub node_port: Option<u16>,
    /// Whether this is of IPv4.
    pub ipv4: bool,
    /// ClusterIPs of this family.
    pub cluster_ips: Vec<IpAddr>,
    /// External addresses of this family.
    pub external_ips: Vec<IpAddr>,
    /// `internalTrafficPolicy`.
    pub internal: TrafficPolicy,
    /// `externalTrafficPolicy`.
    pub external: TrafficPolicy,
    /// Ready backends of this family, in order of address.
    pub backends: Vec<Backend>,
}

/// A backend.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Backend {
    /// Its own address and port.
    pub at: SocketAddr,
    /// The node it is on, if it is on one.
    pub node: Option<String>,
}

/// Every entry of a cluster, in order of Service, port and family.
pub fn entries(snapshot: &Snapshot) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (name, service) in snapshot.services.iter() {
        for port in &service.ports {
            for ipv4 in [true, false] {
                let of_family =
                    |list: &[IpAddr]| list.iter().filter(|a| a.is_ipv4() == ipv4).copied().collect();
                entries.push(Entry {
                    service: name.clone(),
                    protocol: port.protocol,
                    port: port.port,
                    node_port: port
                        .node_port
                        .filter(|_| service.cluster_ips.iter().any(|a| a.is_ipv4() == ipv4)),
                    ipv4,
                    cluster_ips: of_family(&service.cluster_ips),
                    external_ips: of_family(&service.external_ips),
                    internal: service.internal_traffic_policy,
                    external: service.external_traffic_policy,
                    backends: backends::of(snapshot, service, port, ipv4),
                });
            }
        }
    }
    entries
}

impl Entry {
    /// Nodes that take connections from outside to a ClusterIP, or (`external`) to an external address.
    pub(super) fn takers<'a>(
        &self,
        external: bool,
        nodes: impl Iterator<Item = &'a String>,
    ) -> Vec<&'a String> {
        let policy = if external { self.external } else { self.internal };
        let takes = |node: &&String| self.usable(policy, Some(node.as_str())).next().is_some();
        nodes.filter(takes).collect()
    }

    /// Backends that `node` uses under `policy`.
    fn usable<'a>(
        &'a self,
        policy: TrafficPolicy,
        node: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Backend> {
        let local = move |b: &&Backend| b.node.as_deref() == node && node.is_some();
        self.backends.iter().filter(move |b| policy == TrafficPolicy::Cluster || local(b))
    }
}
