//! Would anybody answer?
use std::net::IpAddr;

use super::cluster::{Cluster, Pod};
use super::query::Query;

/// Whether, policy aside, somebody serves what the query asks for: a pod that declares the port, a hostNetwork pod on
/// the node dialled, a host port or node port. Services are taken to be served, external addresses to serve everything.
/// To be asked before real packets are sent.
pub fn is_served(cluster: &Cluster, query: &Query) -> bool {
    let is = |protocol: &str, port: u16| protocol == query.protocol && port == query.port;
    let declares = |pod: &Pod| pod.ports.iter().any(|c| is(&c.protocol, c.port));
    let Ok(address) = query.to.parse::<IpAddr>() else {
        return match query.to.split_once('/') {
            Some(("svc", _)) => true,
            Some((namespace, name)) => cluster.pod(namespace, name).is_some_and(declares),
            None => false,
        };
    };
    if cluster.services.iter().any(|s| s.cluster_ips.contains(&address) || s.external_ips.contains(&address))
    {
        return true;
    }
    if let Some(pod) = cluster.pod_at(address) {
        return declares(pod);
    }
    let Some(node) = cluster.node_at(address) else { return true };
    let mut node_ports = cluster.services.iter().flat_map(|s| &s.ports);
    let mut here = cluster.pods.iter().filter(|p| p.node == node.name);
    node_ports.any(|p| p.node_port.is_some_and(|port| is(&p.protocol, port)))
        || here.any(|pod| match pod.host_network {
            true => declares(pod),
            false => pod.ports.iter().any(|c| c.host_port.is_some_and(|port| is(&c.protocol, port))),
        })
}
