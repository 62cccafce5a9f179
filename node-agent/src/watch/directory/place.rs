//! Pods onto nodes, and their addresses.
use super::Loaded;
use super::error::LoadError;
use super::gather::{Draft, Gathered};
use super::uid;
use crate::model::{Node, ObjectName, Problem};
use crate::watch::object::PodObject;
use ipnetwork::IpNetwork;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Gives every pod without a node one: where it was in `previous` if that node is still there, else the node with the
/// fewest pods of those that its nodeSelector allows (of all, if it allows none). Pods are taken by name, and of equal
/// nodes the first by name, so where nobody is pinned this goes round.
pub(super) fn schedule(all: &mut Gathered, previous: Option<&Loaded>) {
    let mut load: BTreeMap<String, usize> = all.nodes.keys().map(|n| (n.clone(), 0)).collect();
    let before = |name: &ObjectName| previous?.pods.get(name)?.value.node.clone();
    for (name, draft) in &mut all.pods {
        let pod = &mut draft.value.pod;
        if pod.node.is_none() {
            pod.node = before(name).filter(|node| load.contains_key(node));
        }
        if let Some(count) = pod.node.as_ref().and_then(|node| load.get_mut(node)) {
            *count += 1;
        }
    }
    for draft in all.pods.values_mut().filter(|d| d.value.pod.node.is_none()) {
        let selector = &draft.value.node_selector;
        let allows = |node: &Node| selector.iter().all(|(key, value)| node.labels.get(key) == Some(value));
        let fewest = |nodes: &mut dyn Iterator<Item = &String>| {
            nodes.min_by_key(|n| (load.get(*n).copied(), (*n).clone())).cloned()
        };
        let node = fewest(&mut all.nodes.values().filter(|n| allows(&n.value)).map(|n| &n.value.name))
            .or_else(|| fewest(&mut all.nodes.keys()));
        if let Some(count) = node.as_ref().and_then(|node| load.get_mut(node)) {
            *count += 1;
        }
        draft.value.pod.node = node;
    }
}

/// Gives UIDs and addresses to the pods that have none: a host-network pod has its node's, another the ones it had in
/// `previous` if they are still its node's and free, else the lowest free ones of its node's pod CIDRs, from the third
/// address on (the first is the network, the second the gateway).
///
/// # Errors
/// If a node's pod CIDR is full.
pub(super) fn addresses(all: &mut Gathered, previous: Option<&Loaded>, errors: &mut Vec<LoadError>) {
    let mut taken: BTreeSet<IpAddr> = all.pods.values().flat_map(|p| p.value.pod.addresses.clone()).collect();
    taken.extend(all.nodes.values().flat_map(|n| n.value.addresses.clone()));
    let nodes = &all.nodes;
    let node_of = |draft: &Draft<PodObject>| draft.value.pod.node.as_ref().and_then(|n| nodes.get(n));
    for (name, draft) in &mut all.pods {
        if draft.value.pod.uid.is_empty() {
            draft.value.pod.uid = uid::of("Pod", name);
        }
        let Some(node) = node_of(draft).filter(|_| draft.value.pod.addresses.is_empty()) else { continue };
        let pod = &mut draft.value.pod;
        if pod.host_network {
            let addresses = &node.value.addresses;
            pod.addresses = [true, false]
                .iter()
                .filter_map(|v4| addresses.iter().find(|a| a.is_ipv4() == *v4).copied())
                .collect();
        } else if let Some(old) = previous.and_then(|p| p.pods.get(name)).filter(|p| !p.value.host_network) {
            let kept =
                |a: &&IpAddr| node.value.pod_cidrs.iter().any(|c| c.contains(**a)) && !taken.contains(*a);
            pod.addresses = old.value.addresses.iter().filter(kept).copied().collect();
            taken.extend(&pod.addresses);
        }
    }
    let mut next: BTreeMap<IpNetwork, u128> = BTreeMap::new();
    for (name, draft) in &mut all.pods {
        let Some(node) = node_of(draft).filter(|_| draft.value.pod.addresses.is_empty()) else { continue };
        for cidr in &node.value.pod_cidrs {
            let offset = next.entry(*cidr).or_insert(2);
            let address = loop {
                match nth(*cidr, *offset) {
                    Some(address) if taken.contains(&address) => *offset += 1,
                    found => break found,
                }
            };
            let Some(address) = address else {
                errors.push(full(name, draft, &node.value, *cidr));
                continue;
            };
            *offset += 1;
            draft.value.pod.addresses.push(address);
        }
    }
}

/// The address of a network at an offset, unless it is beyond the last usable one.
pub(super) fn nth(network: IpNetwork, offset: u128) -> Option<IpAddr> {
    match network {
        IpNetwork::V4(v4) => {
            // The last one is the broadcast address.
            let last = u128::from(v4.broadcast().to_bits() - v4.network().to_bits());
            let offset = u32::try_from(offset).ok().filter(|o| u128::from(*o) < last)?;
            Some(IpAddr::V4(Ipv4Addr::from_bits(v4.network().to_bits() + offset)))
        }
        IpNetwork::V6(v6) => {
            let last = v6.broadcast().to_bits() - v6.network().to_bits();
            (offset <= last).then(|| IpAddr::V6(Ipv6Addr::from_bits(v6.network().to_bits() + offset)))
        }
    }
}

fn full(name: &ObjectName, draft: &Draft<PodObject>, node: &Node, cidr: IpNetwork) -> LoadError {
    let source = draft.origin.as_ref().map_or_else(String::new, ToString::to_string);
    let message = format!(
        "there is no address left for it in {cidr} of node {}: add nodes, or give them larger podCIDRs",
        node.name
    );
    let field = "status.podIPs".to_owned();
    LoadError::Object(Box::new(Problem {
        source,
        kind: "Pod".to_owned(),
        object: name.clone(),
        field,
        message,
    }))
}
