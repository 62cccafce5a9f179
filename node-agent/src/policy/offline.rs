//! Nodes as they would be if every pod of a snapshot had been attached: for engines without a running cluster.
use super::lookup::masked;
use super::ranges::gateway;
use super::tables::{LocalEndpoint, LocalView};
use crate::desired::Snapshot;
use ipnetwork::IpNetwork;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Ifindexes from here on, one for each pod in order of name; endpoint numbers are those from 1.
pub const FIRST_IFINDEX: u32 = 1000;

/// What `node` would know: its addresses and gateways, and its pods with the addresses that the snapshot gives them.
pub fn local_view(snapshot: &Snapshot, node: &str, cluster_pod_cidrs: &[IpNetwork]) -> LocalView {
    let object = snapshot.nodes.get(node);
    let gateways = object.into_iter().flat_map(|n| n.pod_cidrs.iter().filter_map(gateway));
    let addresses = object.into_iter().flat_map(|n| n.addresses.iter().copied()).chain(gateways).collect();
    let here = |p: &&std::sync::Arc<crate::model::Pod>| {
        p.node.as_deref() == Some(node) && !p.host_network && !p.addresses.is_empty()
    };
    let pods = (1u32..).zip(snapshot.pods.values().filter(here));
    let endpoints = pods.map(|(id, pod)| LocalEndpoint {
        id,
        ifindex: FIRST_IFINDEX + id - 1,
        pod: pod.name.clone(),
        uid: Some(pod.uid.clone()),
        addresses: pod.addresses.clone(),
        closing: false,
    });
    LocalView {
        node: node.to_owned(),
        addresses,
        endpoints: endpoints.collect(),
        cluster_pod_cidrs: cluster_pod_cidrs.to_vec(),
        ..LocalView::default()
    }
}

/// What the whole cluster's pod CIDRs would be, of which nodes get theirs: the nodes' /16s and /48s, unless one of those
/// holds addresses of nodes or Services. For what is in them never leaves a node in the clear.
pub fn cluster_cidrs(snapshot: &Snapshot) -> Vec<IpNetwork> {
    let nodes = || snapshot.nodes.values();
    let mut others: Vec<IpAddr> = nodes().flat_map(|node| node.addresses.iter().copied()).collect();
    for service in snapshot.services.values() {
        others.extend(service.cluster_ips.iter().chain(&service.external_ips));
    }
    let whole = |cidr: &IpNetwork| {
        let length = cidr.prefix().min(if cidr.is_ipv4() { 16 } else { 48 });
        let wide = masked(cidr.ip(), length);
        wide.filter(|wide| !others.iter().any(|address| wide.contains(*address))).unwrap_or(*cidr)
    };
    nodes().flat_map(|node| &node.pod_cidrs).map(whole).collect::<BTreeSet<_>>().into_iter().collect()
}
