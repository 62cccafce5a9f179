//! Namespaces and nodes (v1).
use super::address;
use super::findings::{Findings, quoted};
use super::meta::Meta;
use super::path::FieldPath;
use crate::model::{Labels, Namespace, Node};
use ipnetwork::IpNetwork;
use serde::Deserialize;
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;

/// The label that the API server puts on every namespace.
pub(crate) const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// Labels that every kubelet puts on its node, with their values; `None` is the node's name.
pub(crate) const NODE_LABELS: [(&str, Option<&str>); 3] = [
    ("kubernetes.io/hostname", None),
    ("kubernetes.io/os", Some("linux")),
    ("kubernetes.io/arch", Some("amd64")),
];

/// Reads a namespace.
pub(super) fn namespace(meta: Meta) -> Namespace {
    make_namespace(&meta.name.name, meta.labels)
}

/// A namespace with these labels and the one that it always has.
pub(crate) fn make_namespace(name: &str, mut labels: Labels) -> Namespace {
    labels.insert(NAMESPACE_NAME.to_owned(), name.to_owned());
    Namespace { name: name.to_owned(), labels: Arc::new(labels) }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(rename = "podCIDR")]
    pod_cidr: Option<String>,
    #[serde(rename = "podCIDRs")]
    pod_cidrs: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Status {
    addresses: Option<Vec<Address>>,
}

#[derive(Deserialize)]
struct Address {
    #[serde(rename = "type")]
    kind: Option<String>,
    address: Option<String>,
}

/// Reads a node.
pub(super) fn node(meta: Meta, object: &Value, f: &mut Findings) -> Option<Node> {
    let root = FieldPath::Root;
    let (spec_at, status_at) = (root.key("spec"), root.key("status"));
    let spec: Spec = f.decode_or_default(&spec_at, object.get("spec"))?;
    let status: Status = f.decode_or_default(&status_at, object.get("status"))?;
    Some(Node {
        name: meta.name.name,
        uid: meta.uid,
        created: meta.created,
        labels: Arc::new(meta.labels),
        pod_cidrs: pod_cidrs(&spec_at, spec, f),
        addresses: internal(&status_at.key("addresses"), status.addresses.unwrap_or_default(), f),
    })
}

fn pod_cidrs(at: &FieldPath<'_>, spec: Spec, f: &mut Findings) -> Vec<IpNetwork> {
    let (one, list_at) = (at.key("podCIDR"), at.key("podCIDRs"));
    let list = spec.pod_cidrs.unwrap_or_default();
    let mut cidrs: Vec<IpNetwork> = Vec::new();
    for (i, text) in list.iter().enumerate() {
        match address::cidr(text) {
            Ok(cidr) if cidrs.iter().any(|c| c.is_ipv4() == cidr.is_ipv4()) => {
                f.add(
                    &list_at,
                    "there is more than one CIDR of one IP family: a node has at most one of each",
                );
            }
            Ok(cidr) => cidrs.push(cidr),
            Err(reason) => f.add(&list_at.index(i), format!("{}: {reason}", quoted(text))),
        }
    }
    match (spec.pod_cidr.filter(|c| !c.is_empty()), list.first()) {
        (Some(cidr), Some(first)) if cidr != *first => {
            f.add(
                &list_at.index(0),
                format!("{} is not podCIDR, {}: they must be equal", quoted(first), quoted(&cidr)),
            );
        }
        (Some(text), None) => match address::cidr(&text) {
            Ok(cidr) => cidrs.push(cidr),
            Err(reason) => f.add(&one, format!("{}: {reason}", quoted(&text))),
        },
        _ => {}
    }
    cidrs
}

/// Addresses of type InternalIP; the first of each family comes first.
fn internal(at: &FieldPath<'_>, list: Vec<Address>, f: &mut Findings) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (i, entry) in list.into_iter().enumerate() {
        if entry.kind.as_deref() != Some("InternalIP") {
            continue;
        }
        let text = entry.address.unwrap_or_default();
        match address::address(&text) {
            Ok(address) if !addresses.contains(&address) => addresses.push(address),
            Ok(_) => {}
            Err(reason) => f.add(&at.index(i).key("address"), format!("{}: {reason}", quoted(&text))),
        }
    }
    let leads =
        |address: &IpAddr| addresses.iter().find(|a| a.is_ipv4() == address.is_ipv4()) == Some(address);
    let (first, rest): (Vec<_>, Vec<_>) = addresses.iter().partition(|a| leads(a));
    first.into_iter().chain(rest).collect()
}
