//! Which packets keep which source: the sets our nftables table is made of.
use super::members::Members;
use super::net::{Family, gateway};
use super::spec::NatSpec;
use crate::desired::Snapshot;
use crate::model::Node;
use ipnetwork::IpNetwork;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The sets, of this node.
pub(super) fn nat(
    snapshot: &Snapshot,
    own: &Node,
    local: &BTreeSet<IpNetwork>,
    cluster: &BTreeSet<IpNetwork>,
    members: &Members<'_>,
    sources: &BTreeMap<Family, IpAddr>,
) -> NatSpec {
    let pods = snapshot
        .pods
        .values()
        .filter(|pod| !pod.host_network && pod.node.as_deref() == Some(own.name.as_str()));
    let within = |address: &IpAddr| local.iter().any(|cidr| cidr.contains(*address));
    NatSpec {
        cluster_pod_cidrs: cluster.clone(),
        local_pod_cidrs: local.clone(),
        node_addresses: own.addresses.iter().copied().collect(),
        preferred_sources: sources.values().copied().collect(),
        peer_addresses: members.accepted.values().flat_map(|member| member.addresses.clone()).collect(),
        transit: transit(local).into_values().collect(),
        local_pods: pods.flat_map(|pod| pod.addresses.iter().copied()).filter(within).collect(),
    }
}

/// By family, the gateway of the node's first pod CIDR of that family.
pub(super) fn transit(local: &BTreeSet<IpNetwork>) -> BTreeMap<Family, IpAddr> {
    let mut transit = BTreeMap::new();
    for cidr in local {
        if let Some(gateway) = gateway(*cidr) {
            transit.entry(Family::of(gateway)).or_insert(gateway);
        }
    }
    transit
}
