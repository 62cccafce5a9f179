//! Namespaces and nodes that nobody declared, and what the declared ones leave open.
use super::error::LoadError;
use super::gather::{Draft, Gathered, Raw};
use super::uid;
use super::{Families, Options};
use crate::model::{Labels, Node, ObjectName};
use crate::watch::object::{NODE_LABELS, make_namespace, overlap};
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Node N (from 1, by name) gets the N-th /24 after this, unless it names a CIDR itself.
const POD_CIDR_V4: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 0);
/// Node N's is `fd00:10:244:N::/64`.
const POD_CIDR_V6: [u16; 3] = [0xfd00, 0x10, 0x244];
/// Node N's address is this plus N.
const NODE_V4: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 10);
/// Node N's address is this plus 0x10 plus N.
const NODE_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x10, 0x88, 0, 0, 0, 0, 0x10);
/// Defaults are looked for among so many numbers; 10.244.0.0 to 10.255.255.0.
const NUMBERS: u16 = 3000;

/// Makes the nodes that pods name, and if none is declared fills up to `count`: `node1`, `node2`, `node3`.
pub(super) fn declare(all: &mut Gathered, count: usize) {
    let named = all.pods.values().filter_map(|p| p.value.pod.node.as_ref());
    let templates = all.workloads.values().filter_map(|w| w.value.template.pod.node.as_ref());
    let named: BTreeSet<String> = named.chain(templates).cloned().collect();
    let declared = !all.nodes.is_empty();
    for name in named {
        make(all, name);
    }
    for number in (1..).take_while(|n| !declared && *n <= count) {
        if all.nodes.len() < count {
            make(all, format!("node{number}"));
        }
    }
    for node in all.nodes.values_mut() {
        label(&mut node.value);
        if node.value.uid.is_empty() {
            node.value.uid = uid::of("Node", &ObjectName::new("", &*node.value.name));
        }
    }
}

/// Makes the namespaces that objects are in.
pub(super) fn namespaces(all: &mut Gathered) {
    let pods = all.pods.keys().chain(all.services.keys()).chain(all.slices.keys()).chain(all.policies.keys());
    let names: BTreeSet<String> = pods.map(|name| name.namespace.clone()).collect();
    for name in names {
        all.namespaces.entry(name).or_insert_with_key(|name| Draft {
            value: make_namespace(name, Labels::new()),
            origin: None,
            raw: Raw::Made,
        });
    }
}

fn make(all: &mut Gathered, name: String) {
    all.nodes.entry(name).or_insert_with_key(|name| Draft {
        value: Node {
            name: name.clone(),
            uid: String::new(),
            created: String::new(),
            labels: Arc::default(),
            pod_cidrs: Vec::new(),
            addresses: Vec::new(),
        },
        origin: None,
        raw: Raw::Made,
    });
}

/// Adds the labels that a kubelet sets.
fn label(node: &mut Node) {
    let missing = NODE_LABELS.iter().filter(|(key, _)| !node.labels.contains_key(*key));
    let missing: Vec<_> =
        missing.map(|(k, v)| ((*k).to_owned(), v.unwrap_or(&node.name).to_owned())).collect();
    if !missing.is_empty() {
        Arc::make_mut(&mut node.labels).extend(missing);
    }
}

/// Gives addresses and pod CIDRs to the nodes that have none: of the wanted families, unless the other of the
/// two is there: then of its. Node N takes the N-th of each, or the next one that is free;
/// one that was in `previous` keeps what it had.
///
/// # Errors
/// If there are too many nodes for the defaults.
pub(super) fn addresses(all: &mut Gathered, options: Options<'_>) -> Result<(), LoadError> {
    for (name, node) in all.nodes.iter_mut().map(|(name, draft)| (name, &mut draft.value)) {
        let Some(before) = options.previous.and_then(|p| p.nodes.get(name)) else { continue };
        if node.addresses.is_empty() && node.pod_cidrs.is_empty() {
            node.addresses.clone_from(&before.value.addresses);
            node.pod_cidrs.clone_from(&before.value.pod_cidrs);
        }
    }
    let mut cidrs: Vec<IpNetwork> = all.nodes.values().flat_map(|n| n.value.pod_cidrs.clone()).collect();
    let mut taken: BTreeSet<IpAddr> = all.nodes.values().flat_map(|n| n.value.addresses.clone()).collect();
    taken.extend(all.pods.values().flat_map(|p| p.value.pod.addresses.clone()));
    for (index, draft) in all.nodes.values_mut().enumerate() {
        let node = &mut draft.value;
        let number = u16::try_from(index + 1).unwrap_or(NUMBERS);
        let full = || too_many(&node.name);
        let of_addresses = families(options.families, node.addresses.iter().map(IpAddr::is_ipv4));
        let of_cidrs = families(options.families, node.pod_cidrs.iter().map(IpNetwork::is_ipv4));
        if node.addresses.is_empty() {
            for ipv4 in of_cidrs {
                let free = (number..NUMBERS).chain(1..number).map(|n| node_address(n, ipv4));
                let address = free.into_iter().find(|a| !taken.contains(a)).ok_or_else(full)?;
                taken.insert(address);
                node.addresses.push(address);
            }
        }
        if node.pod_cidrs.is_empty() {
            for ipv4 in of_addresses {
                let free = (number..NUMBERS).chain(1..number).filter_map(|n| pod_cidr(n, ipv4));
                let cidr =
                    free.into_iter().find(|c| !cidrs.iter().any(|o| overlap(*c, *o))).ok_or_else(full)?;
                cidrs.push(cidr);
                node.pod_cidrs.push(cidr);
            }
        }
    }
    Ok(())
}

/// The families that are there, IPv4 (`true`) first; if none is, those wanted.
fn families(wanted: Families, present: impl Iterator<Item = bool>) -> Vec<bool> {
    let present: BTreeSet<bool> = present.collect();
    if present.is_empty() { wanted.ipv4().to_vec() } else { present.into_iter().rev().collect() }
}

fn node_address(number: u16, ipv4: bool) -> IpAddr {
    if ipv4 {
        IpAddr::V4(Ipv4Addr::from_bits(NODE_V4.to_bits() + u32::from(number)))
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(NODE_V6.to_bits() + u128::from(number)))
    }
}

fn pod_cidr(number: u16, ipv4: bool) -> Option<IpNetwork> {
    if ipv4 {
        let base = Ipv4Addr::from_bits(POD_CIDR_V4.to_bits() + (u32::from(number) << 8));
        Ipv4Network::new(base, 24).ok().map(IpNetwork::V4)
    } else {
        let [a, b, c] = POD_CIDR_V6;
        Ipv6Network::new(Ipv6Addr::new(a, b, c, number, 0, 0, 0, 0), 64).ok().map(IpNetwork::V6)
    }
}

fn too_many(node: &str) -> LoadError {
    LoadError::Object(Box::new(crate::model::Problem {
        source: "defaults".to_owned(),
        kind: "Node".to_owned(),
        object: ObjectName::new("", node),
        field: "spec.podCIDRs".to_owned(),
        message: format!(
            "there are no defaults for more than {NUMBERS} nodes: give the nodes addresses and podCIDRs"
        ),
    }))
}
