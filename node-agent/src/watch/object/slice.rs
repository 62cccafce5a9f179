//! EndpointSlices (discovery.k8s.io/v1).
use super::findings::{Findings, quoted};
use super::meta::Meta;
use super::path::FieldPath;
use super::port;
use super::{address, syntax};
use crate::model::{Endpoint, EndpointSlice, SlicePort};
use serde::Deserialize;
use serde_json::Value;
use std::net::IpAddr;

/// The label that names a slice's Service.
pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    address_type: Option<String>,
    endpoints: Option<Vec<EndpointWire>>,
    ports: Option<Vec<PortWire>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndpointWire {
    addresses: Option<Vec<String>>,
    conditions: Option<Conditions>,
    node_name: Option<String>,
}

#[derive(Deserialize)]
struct Conditions {
    ready: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct PortWire {
    name: Option<String>,
    protocol: Option<String>,
    port: Option<i64>,
}

/// Reads a slice. One of no Service has an empty `service`; one of domain names (FQDN) has no endpoints.
pub(super) fn read(mut meta: Meta, object: &Value, f: &mut Findings) -> Option<EndpointSlice> {
    let root = FieldPath::Root;
    let wire: Wire = f.decode(&root, object)?;
    let type_at = root.key("addressType");
    let ipv4 = match wire.address_type.as_deref() {
        Some("IPv4") => Some(true),
        Some("IPv6") => Some(false),
        Some("FQDN") => None,
        other => {
            let other = quoted(other.unwrap_or_default());
            f.add(&type_at, format!("{other} is no address type: write IPv4, IPv6 or FQDN"));
            None
        }
    };
    let list_at = root.key("endpoints");
    let endpoints = ipv4.map_or_else(Vec::new, |ipv4| {
        let list = wire.endpoints.unwrap_or_default().into_iter().enumerate();
        list.map(|(i, wire)| endpoint(&list_at.index(i), wire, ipv4, f)).collect()
    });
    let list_at = root.key("ports");
    let list = wire.ports.unwrap_or_default().into_iter().enumerate();
    let ports = list.filter_map(|(i, wire)| slice_port(&list_at.index(i), wire, f)).collect();
    let service = meta.labels.remove(SERVICE_NAME).unwrap_or_default();
    Some(EndpointSlice { name: meta.name, service, endpoints, ports })
}

fn endpoint(at: &FieldPath<'_>, wire: EndpointWire, ipv4: bool, f: &mut Findings) -> Endpoint {
    let list_at = at.key("addresses");
    let list = wire.addresses.unwrap_or_default();
    if list.is_empty() {
        f.add(&list_at, "an endpoint needs at least one address");
    }
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (i, text) in list.iter().enumerate() {
        match address::address(text) {
            Ok(address) if address.is_ipv4() == ipv4 => addresses.push(address),
            Ok(_) => f.add(&list_at.index(i), format!("{} is not of the slice's addressType", quoted(text))),
            Err(reason) => f.add(&list_at.index(i), format!("{}: {reason}", quoted(text))),
        }
    }
    let ready = wire.conditions.and_then(|c| c.ready).unwrap_or(true);
    Endpoint { addresses, ready, node: wire.node_name.filter(|n| !n.is_empty()) }
}

pub(super) fn slice_port(at: &FieldPath<'_>, wire: PortWire, f: &mut Findings) -> Option<SlicePort> {
    let name = wire.name.unwrap_or_default();
    if !name.is_empty() {
        f.syntax(&at.key("name"), &name, syntax::dns_label);
    }
    let protocol = port::protocol(&at.key("protocol"), wire.protocol.as_deref(), f);
    let port = match wire.port {
        None => None,
        Some(number) => Some(port::number(&at.key("port"), number, f)?),
    };
    Some(SlicePort { name, protocol: protocol?, port })
}
