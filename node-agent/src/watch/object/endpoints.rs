//! Endpoints (v1), the elder form of EndpointSlices. A cluster mirrors those of Services without selector.
use super::address;
use super::findings::{Findings, quoted};
use super::meta::Meta;
use super::path::FieldPath;
use super::slice::{self, PortWire};
use crate::model::{Endpoint, EndpointSlice, ObjectName};
use serde::Deserialize;
use serde_json::Value;

/// Endpoints as the slices that the mirroring controller would make of them.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    /// One for each subset and family; of the Service of their name.
    pub(crate) slices: Vec<EndpointSlice>,
}

/// With this label, whose value is `true`, they are not mirrored.
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Wire {
    subsets: Option<Vec<Subset>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subset {
    addresses: Option<Vec<Address>>,
    not_ready_addresses: Option<Vec<Address>>,
    ports: Option<Vec<PortWire>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    ip: Option<String>,
    node_name: Option<String>,
}

/// Reads Endpoints.
pub(super) fn read(meta: Meta, object: &Value, f: &mut Findings) -> Option<Endpoints> {
    let root = FieldPath::Root;
    let wire: Wire = f.decode(&root, object)?;
    let subsets_at = root.key("subsets");
    let mut slices = Vec::new();
    for (i, subset) in wire.subsets.unwrap_or_default().into_iter().enumerate() {
        let at = subsets_at.index(i);
        let mut endpoints = read_addresses(&at.key("addresses"), subset.addresses, true, f);
        endpoints.extend(read_addresses(&at.key("notReadyAddresses"), subset.not_ready_addresses, false, f));
        let ports_at = at.key("ports");
        let ports = subset.ports.unwrap_or_default().into_iter().enumerate();
        let ports: Vec<_> =
            ports.filter_map(|(i, wire)| slice::slice_port(&ports_at.index(i), wire, f)).collect();
        for (family, ipv4) in [("v4", true), ("v6", false)] {
            let of_family = |e: &&Endpoint| e.addresses.iter().all(|a| a.is_ipv4() == ipv4);
            let endpoints: Vec<Endpoint> = endpoints.iter().filter(of_family).cloned().collect();
            if !endpoints.is_empty() {
                slices.push(EndpointSlice {
                    name: ObjectName::new(
                        &*meta.name.namespace,
                        format!("{}-mirrored-{i}-{family}", meta.name.name),
                    ),
                    service: meta.name.name.clone(),
                    endpoints,
                    ports: ports.clone(),
                });
            }
        }
    }
    if meta.labels.get(SKIP).is_some_and(|value| value == "true") {
        slices.clear();
    }
    Some(Endpoints { slices })
}

fn read_addresses(
    at: &FieldPath<'_>,
    list: Option<Vec<Address>>,
    ready: bool,
    f: &mut Findings,
) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    for (i, wire) in list.unwrap_or_default().into_iter().enumerate() {
        let text = wire.ip.unwrap_or_default();
        match address::address(&text) {
            Ok(address) => {
                let node = wire.node_name.filter(|n| !n.is_empty());
                endpoints.push(Endpoint { addresses: vec![address], ready, node });
            }
            Err(reason) => f.add(&at.index(i).key("ip"), format!("{}: {reason}", quoted(&text))),
        }
    }
    endpoints
}
