//! What two objects claim that only one can have.
use super::error::LoadError;
use super::gather::{Draft, Gathered};
use crate::model::{Node, ObjectName, Problem};
use crate::watch::object::overlap;
use ipnetwork::IpNetwork;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;

/// Nodes whose pod CIDRs overlap or whose addresses are equal, pods with one address, Services with one ClusterIP or
/// node port. Manifests with such are refused; an agent that meets them decides in `mesh` whom to believe.
pub(super) fn find(all: &Gathered, errors: &mut Vec<LoadError>) {
    pod_cidrs(all, errors);
    let mut claims: BTreeMap<IpAddr, String> = BTreeMap::new();
    for (name, draft) in &all.nodes {
        for address in &draft.value.addresses {
            if let Some(other) = claims.insert(*address, format!("node {name}")) {
                let message = format!("{address} is {other}'s too: give each its own");
                errors.push(conflict(
                    "Node",
                    &ObjectName::new("", &**name),
                    draft,
                    "status.addresses",
                    message,
                ));
            }
        }
    }
    for (name, draft) in all.pods.iter().filter(|(_, d)| !d.value.pod.host_network) {
        for address in &draft.value.pod.addresses {
            if let Some(other) = claims.insert(*address, format!("pod {name}")) {
                let message = format!("{address} is {other}'s too: give each its own");
                errors.push(conflict("Pod", name, draft, "status.podIPs", message));
            }
        }
    }
    services(all, errors);
}

fn pod_cidrs(all: &Gathered, errors: &mut Vec<LoadError>) {
    let of = |draft: &Draft<Node>| draft.value.pod_cidrs.clone();
    let mut cidrs: Vec<(IpNetwork, &String)> =
        all.nodes.iter().flat_map(|(name, draft)| of(draft).into_iter().map(move |c| (c, name))).collect();
    // CIDRs are nested or apart: sorted like this, one that overlaps lies within the last that was not left behind.
    cidrs.sort_by_key(|(cidr, name)| (cidr.ip(), cidr.prefix(), *name));
    let mut around: Vec<(IpNetwork, &String)> = Vec::new();
    for (cidr, node) in cidrs {
        while around.last().is_some_and(|(other, _)| !overlap(*other, cidr)) {
            around.pop();
        }
        if let Some((other, owner)) = around.last() {
            let (first, its, second, own) =
                if *owner <= node { (*owner, *other, node, cidr) } else { (node, cidr, *owner, *other) };
            let draft = &all.nodes[second];
            let declared = match &all.nodes[first].origin {
                Some(origin) if draft.origin.as_ref() != Some(origin) => format!(" ({origin})"),
                _ => String::new(),
            };
            let message =
                format!("{own} overlaps with {its} of node {first}{declared}: give each node its own");
            errors.push(conflict("Node", &ObjectName::new("", second), draft, "spec.podCIDRs", message));
        }
        around.push((cidr, node));
    }
}

fn services(all: &Gathered, errors: &mut Vec<LoadError>) {
    let (mut ips, mut ports) = (BTreeMap::new(), BTreeMap::new());
    for (name, draft) in &all.services {
        for ip in &draft.value.service.cluster_ips {
            if let Some(other) = ips.insert(*ip, name) {
                let message = format!("{ip} is Service {other}'s too: leave it out, or give each its own");
                errors.push(conflict("Service", name, draft, "spec.clusterIPs", message));
            }
        }
        for (i, port) in draft.value.service.ports.iter().enumerate() {
            let Some(node_port) = port.node_port else { continue };
            if let Some(other) = ports.insert((port.protocol, node_port), name) {
                let message = format!(
                    "{} {node_port} is Service {other}'s too: leave it out, or give each its own",
                    port.protocol
                );
                errors.push(conflict("Service", name, draft, format!("spec.ports[{i}].nodePort"), message));
            }
        }
    }
}

fn conflict<T>(
    kind: &str,
    object: &ObjectName,
    draft: &Draft<T>,
    field: impl Display,
    message: String,
) -> LoadError {
    let source = draft.origin.as_ref().map_or_else(|| "defaults".to_owned(), ToString::to_string);
    let (kind, object, field) = (kind.to_owned(), object.clone(), field.to_string());
    LoadError::Object(Box::new(Problem { source, kind, object, field, message }))
}
