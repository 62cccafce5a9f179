//! Services (v1).
use super::findings::{Findings, quoted};
use super::meta::Meta;
use super::path::FieldPath;
use super::port::{self, NumberOrName};
use super::{address, meta, syntax};
use crate::model::{Service, ServicePort, TargetPort, TrafficPolicy};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A Service with what decides which addresses it gets where it has none yet.
#[derive(Clone, Debug)]
pub(crate) struct ServiceObject {
    pub(crate) service: Service,
    /// Headless or ExternalName: it has no address and decides nothing.
    pub(crate) addressless: bool,
    /// Whether it wants IPv4 (`true`) or IPv6 addresses, in order; empty: what the cluster has.
    pub(crate) ipv4: Vec<bool>,
    /// `ipFamilyPolicy: SingleStack`: of those only the first.
    pub(crate) single_stack: bool,
    /// NodePort or LoadBalancer: each of its ports has a port on every node.
    pub(crate) node_ports: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(rename = "type")]
    kind: Option<String>,
    selector: Option<BTreeMap<String, Option<String>>>,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<String>,
    #[serde(rename = "clusterIPs")]
    cluster_ips: Option<Vec<String>>,
    #[serde(rename = "externalIPs")]
    external_ips: Option<Vec<String>>,
    external_traffic_policy: Option<String>,
    internal_traffic_policy: Option<String>,
    ip_families: Option<Vec<String>>,
    ip_family_policy: Option<String>,
    allocate_load_balancer_node_ports: Option<bool>,
    ports: Option<Vec<Port>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Port {
    name: Option<String>,
    protocol: Option<String>,
    port: Option<i64>,
    target_port: Option<NumberOrName>,
    node_port: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Status {
    load_balancer: Option<LoadBalancer>,
}

#[derive(Deserialize)]
struct LoadBalancer {
    ingress: Option<Vec<LoadBalancerIngress>>,
}

#[derive(Deserialize)]
struct LoadBalancerIngress {
    ip: Option<String>,
}

/// Reads a Service.
pub(super) fn read(meta: Meta, object: &Value, f: &mut Findings) -> Option<ServiceObject> {
    let root = FieldPath::Root;
    let (at, status_at) = (root.key("spec"), root.key("status"));
    let spec: Spec = f.decode_or_default(&at, object.get("spec"))?;
    let status: Status = f.decode_or_default(&status_at, object.get("status"))?;
    let kind = spec.kind.as_deref().unwrap_or("ClusterIP");
    if !matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName") {
        let message = "is no type: write ClusterIP, NodePort, LoadBalancer or ExternalName";
        f.add(&at.key("type"), format!("{} {message}", quoted(kind)));
    }
    let external_name = kind == "ExternalName";
    let (listed, list_at) = (spec.cluster_ips.unwrap_or_default(), at.key("clusterIPs"));
    let listed: Vec<String> = if listed.is_empty() {
        spec.cluster_ip.into_iter().filter(|ip| !ip.is_empty()).collect()
    } else {
        listed
    };
    let headless = listed.iter().any(|ip| ip == "None");
    if headless && matches!(kind, "NodePort" | "LoadBalancer") {
        f.add(&list_at.index(0), format!("None is not allowed for type {kind}"));
    }
    let node_ports = kind == "NodePort"
        || (kind == "LoadBalancer" && spec.allocate_load_balancer_node_ports.unwrap_or(true));
    let cluster_ips = if headless { Vec::new() } else { ips(&list_at, &listed, f) };
    let mut external_ips = ips(&at.key("externalIPs"), &spec.external_ips.unwrap_or_default(), f);
    let ingress = status.load_balancer.and_then(|l| l.ingress).unwrap_or_default();
    let ingress: Vec<String> = ingress.into_iter().filter_map(|i| i.ip.filter(|ip| !ip.is_empty())).collect();
    for ip in ips(&status_at.key("loadBalancer").key("ingress"), &ingress, f) {
        if !external_ips.contains(&ip) {
            external_ips.push(ip);
        }
    }
    let selector = spec.selector.map(|s| meta::labels(&at.key("selector"), s, f)).filter(|s| !s.is_empty());
    let ipv4 = spec.ip_families.iter().flatten().map(|family| family == "IPv4").collect();
    let single_stack = spec.ip_family_policy.as_deref() == Some("SingleStack");
    let addressless = headless || external_name;
    let mut ports = ports(&at.key("ports"), spec.ports.unwrap_or_default(), addressless, f);
    if addressless {
        // Nothing leads to it, whatever else it says.
        external_ips.clear();
        ports.iter_mut().for_each(|port| port.node_port = None);
    }
    let service = Service {
        name: meta.name,
        selector,
        cluster_ips,
        external_ips,
        external_traffic_policy: traffic(&at.key("externalTrafficPolicy"), spec.external_traffic_policy, f),
        internal_traffic_policy: traffic(&at.key("internalTrafficPolicy"), spec.internal_traffic_policy, f),
        ports,
    };
    Some(ServiceObject { service, addressless, ipv4, single_stack, node_ports })
}

fn ips(at: &FieldPath<'_>, list: &[String], f: &mut Findings) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for (i, text) in list.iter().enumerate() {
        match address::address(text) {
            Ok(address) => addresses.push(address),
            Err(reason) => f.add(&at.index(i), format!("{}: {reason}", quoted(text))),
        }
    }
    addresses
}

fn traffic(at: &FieldPath<'_>, text: Option<String>, f: &mut Findings) -> TrafficPolicy {
    match text.as_deref() {
        None | Some("Cluster" | "") => TrafficPolicy::Cluster,
        Some("Local") => TrafficPolicy::Local,
        Some(other) => {
            f.add(at, format!("{} is no traffic policy: write Cluster or Local", quoted(other)));
            TrafficPolicy::Local
        }
    }
}

fn ports(at: &FieldPath<'_>, list: Vec<Port>, may_be_empty: bool, f: &mut Findings) -> Vec<ServicePort> {
    if list.is_empty() && !may_be_empty {
        f.add(at, "a Service needs at least one port");
    }
    let several = list.len() > 1;
    let (mut names, mut numbers, mut ports) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (i, wire) in list.into_iter().enumerate() {
        let at = at.index(i);
        let name = wire.name.unwrap_or_default();
        if several || !name.is_empty() {
            f.syntax(&at.key("name"), &name, syntax::dns_label);
        }
        if !names.insert(name.clone()) {
            f.add(&at.key("name"), format!("{} is the name of two ports", quoted(&name)));
        }
        let number = port::number(&at.key("port"), wire.port.unwrap_or(0), f);
        let protocol = port::protocol(&at.key("protocol"), wire.protocol.as_deref(), f);
        let target = target(&at.key("targetPort"), wire.target_port, number, f);
        let node_port = match wire.node_port {
            None | Some(0) => None,
            Some(node_port) => port::number(&at.key("nodePort"), node_port, f),
        };
        let (Some(port), Some(protocol), Some(target)) = (number, protocol, target) else { continue };
        if !numbers.insert((protocol, port)) {
            f.add(&at, format!("{protocol} {port} is there twice"));
        }
        ports.push(ServicePort { name, protocol, port, target, node_port });
    }
    ports
}

fn target(
    at: &FieldPath<'_>,
    wire: Option<NumberOrName>,
    port: Option<u16>,
    f: &mut Findings,
) -> Option<TargetPort> {
    match wire {
        None | Some(NumberOrName::Number(0)) => port.map(TargetPort::Number),
        Some(NumberOrName::Name(name)) if name.is_empty() => port.map(TargetPort::Number),
        Some(NumberOrName::Number(number)) => port::number(at, number, f).map(TargetPort::Number),
        Some(NumberOrName::Name(name)) => {
            port::name(at, &name, f);
            Some(TargetPort::Named(name))
        }
    }
}
