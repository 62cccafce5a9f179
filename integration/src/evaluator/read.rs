//! Kubernetes objects to a [`Cluster`].
use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{Context, Result};
use serde_json::Value;

use super::cidr::Cidr;
use super::cluster::{Cluster, ContainerPort, Node, Pod};
use super::read_service::{read_services, text};

/// How many nodes there are where none is declared.
const DEFAULT_NODES: usize = 3;

/// Reads pods, namespaces, nodes, Services, EndpointSlices and NetworkPolicies; other kinds are passed over, workloads
/// too: expand them first. Namespaces and nodes that are only mentioned are made.
///
/// A pod without addresses gets one of each family that is its own; where addresses matter (ipBlock, literals), state
/// them. Fails on an object without name, an unreadable address or an undefined port.
pub fn read_cluster(objects: &[Value]) -> Result<Cluster> {
    let mut cluster = Cluster::default();
    for object in of_kind(objects, "Namespace") {
        let name = text(object, "/metadata/name").context("a Namespace without name")?;
        cluster.namespaces.insert(name.to_owned(), labels(object));
    }
    for object in of_kind(objects, "Node") {
        cluster.nodes.push(read_node(object)?);
        for cidr in object.pointer("/spec/podCIDRs").and_then(Value::as_array).into_iter().flatten() {
            cluster.pod_cidrs.push(Cidr::parse(cidr.as_str().context("a pod CIDR that is no text")?)?);
        }
    }
    for object in of_kind(objects, "Pod") {
        let name = text(object, "/metadata/name").context("a Pod without name")?;
        let completed = matches!(text(object, "/status/phase"), Some("Succeeded" | "Failed"));
        if !completed {
            let pod = read_pod(object, name).with_context(|| format!("Pod {}/{name}", namespace(object)))?;
            cluster.pods.push(pod);
        }
    }
    cluster.policies = of_kind(objects, "NetworkPolicy").cloned().collect();
    place(&mut cluster);
    cluster.services = read_services(objects, &cluster)?;
    for object in objects {
        let name = match text(object, "/kind") {
            Some("Pod" | "NetworkPolicy" | "Service") => namespace(object).to_owned(),
            _ => continue,
        };
        cluster.namespaces.entry(name).or_default();
    }
    for (name, labels) in &mut cluster.namespaces {
        labels.insert("kubernetes.io/metadata.name".to_owned(), name.clone());
    }
    Ok(cluster)
}

pub(super) fn of_kind<'a>(objects: &'a [Value], kind: &str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |o| text(o, "/kind") == Some(kind))
}

pub(super) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace").unwrap_or("default")
}

fn labels(object: &Value) -> BTreeMap<String, String> {
    let map = object.pointer("/metadata/labels").and_then(Value::as_object);
    let pairs = map.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())));
    pairs.collect()
}

fn read_node(object: &Value) -> Result<Node> {
    let name = text(object, "/metadata/name").context("a Node without name")?.to_owned();
    let mut addresses = Vec::new();
    for entry in object.pointer("/status/addresses").and_then(Value::as_array).into_iter().flatten() {
        if let (Some("InternalIP"), Some(address)) = (text(entry, "/type"), text(entry, "/address")) {
            addresses.push(address.parse().with_context(|| format!("Node {name}: address {address:?}"))?);
        }
    }
    Ok(Node { name, addresses })
}

fn read_pod(object: &Value, name: &str) -> Result<Pod> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for entry in object.pointer("/status/podIPs").and_then(Value::as_array).into_iter().flatten() {
        let ip = text(entry, "/ip").context("status.podIPs without ip")?;
        addresses.push(ip.parse().with_context(|| format!("status.podIPs {ip:?}"))?);
    }
    if let (true, Some(ip)) = (addresses.is_empty(), text(object, "/status/podIP")) {
        addresses.push(ip.parse().with_context(|| format!("status.podIP {ip:?}"))?);
    }
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let unready = |c: &Value| text(c, "/type") == Some("Ready") && text(c, "/status") == Some("False");
    Ok(Pod {
        namespace: namespace(object).to_owned(),
        name: name.to_owned(),
        labels: labels(object),
        node: text(object, "/spec/nodeName").unwrap_or_default().to_owned(),
        addresses,
        host_network: object.pointer("/spec/hostNetwork").and_then(Value::as_bool).unwrap_or(false),
        ready: !conditions.into_iter().flatten().any(unready),
        ports: read_ports(object)?,
    })
}

/// Ports of containers and of sidecars (init containers that restart always).
fn read_ports(object: &Value) -> Result<Vec<ContainerPort>> {
    let list = |path: &str| object.pointer(path).and_then(Value::as_array).into_iter().flatten();
    let sidecars = list("/spec/initContainers").filter(|c| text(c, "/restartPolicy") == Some("Always"));
    let mut ports = Vec::new();
    for container in list("/spec/containers").chain(sidecars) {
        for port in container.get("ports").and_then(Value::as_array).into_iter().flatten() {
            let number = |field: &str| port.get(field).and_then(Value::as_u64);
            ports.push(ContainerPort {
                name: text(port, "/name").map(str::to_owned),
                port: u16::try_from(number("containerPort").context("a port without containerPort")?)?,
                protocol: text(port, "/protocol").unwrap_or("TCP").to_owned(),
                host_port: number("hostPort").map(u16::try_from).transpose()?,
            });
        }
    }
    Ok(ports)
}

/// Makes the nodes that pods name (or the default ones), and gives pods and nodes without addresses some.
fn place(cluster: &mut Cluster) {
    let named: Vec<String> = cluster.pods.iter().map(|p| p.node.clone()).filter(|n| !n.is_empty()).collect();
    for name in named {
        if cluster.node(&name).is_none() {
            cluster.nodes.push(Node { name, addresses: Vec::new() });
        }
    }
    for number in 1..=if cluster.nodes.is_empty() { DEFAULT_NODES } else { 0 } {
        cluster.nodes.push(Node { name: format!("node-{number}"), addresses: Vec::new() });
    }
    for (index, node) in cluster.nodes.iter_mut().enumerate() {
        if node.addresses.is_empty() {
            let host = index + 1;
            node.addresses = both(format!("198.18.255.{host}"), format!("fd00:18:255::{host:x}"));
        }
    }
    for index in 0..cluster.pods.len() {
        let at = index % cluster.nodes.len();
        if cluster.pods[index].node.is_empty() {
            cluster.pods[index].node.clone_from(&cluster.nodes[at].name);
        }
        if cluster.pods[index].host_network {
            let node = cluster.node(&cluster.pods[index].node).map(|n| n.addresses.clone());
            cluster.pods[index].addresses = node.unwrap_or_default();
        } else if cluster.pods[index].addresses.is_empty() {
            let (high, low) = (index / 250, index % 250 + 1);
            cluster.pods[index].addresses =
                both(format!("198.18.{high}.{low}"), format!("fd00:18:{high:x}::{low:x}"));
        }
    }
}

fn both(v4: String, v6: String) -> Vec<IpAddr> {
    [v4, v6].iter().filter_map(|text| text.parse().ok()).collect()
}
