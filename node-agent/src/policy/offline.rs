//! Nodes as they would be if every pod of a snapshot had been attached: for engines without a running cluster.
use super::ranges::gateway;
use super::tables::{LocalEndpoint, LocalView};
use crate::desired::Snapshot;
use ipnetwork::IpNetwork;

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
        refused_nodes: Default::default(),
    }
}
