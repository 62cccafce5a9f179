//! Pods (v1), and the templates of workloads.
use super::address;
use super::findings::{Findings, quoted};
use super::meta::{Meta, Owner};
use super::path::FieldPath;
use super::port;
use super::syntax;
use crate::model::{ContainerPort, Labels, Pod};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// A pod with what decides where it goes, and whether it is still there.
#[derive(Clone, Debug)]
pub(crate) struct PodObject {
    pub(crate) pod: Pod,
    /// `status.phase` is Succeeded or Failed: it has given up its addresses.
    pub(crate) finished: bool,
    /// `spec.nodeSelector`.
    pub(crate) node_selector: Labels,
    /// Its controller.
    pub(crate) owner: Option<Owner>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Spec {
    node_name: Option<String>,
    host_network: Option<bool>,
    node_selector: Option<Labels>,
    init_containers: Option<Vec<Container>>,
    containers: Option<Vec<Container>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    name: Option<String>,
    restart_policy: Option<String>,
    ports: Option<Vec<Port>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Port {
    name: Option<String>,
    container_port: Option<i64>,
    host_port: Option<i64>,
    #[serde(rename = "hostIP")]
    host_ip: Option<String>,
    protocol: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Status {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    #[serde(rename = "podIPs")]
    pod_ips: Option<Vec<PodIp>>,
}

#[derive(Deserialize)]
struct PodIp {
    ip: Option<String>,
}

/// Reads a pod, or the template of one: `object` has the `spec` (and `status`), and is found at `base`.
pub(super) fn read(base: &FieldPath<'_>, meta: Meta, object: &Value, f: &mut Findings) -> Option<PodObject> {
    let (spec_at, status_at) = (base.key("spec"), base.key("status"));
    let spec: Spec = f.decode_or_default(&spec_at, object.get("spec"))?;
    let status: Status = f.decode_or_default(&status_at, object.get("status"))?;
    if let Some(node) = &spec.node_name
        && !node.is_empty()
    {
        f.syntax(&spec_at.key("nodeName"), node, syntax::dns_subdomain);
    }
    let containers = spec.containers.unwrap_or_default();
    if containers.is_empty() {
        f.add(&spec_at.key("containers"), "a pod needs at least one container");
    }
    let host_network = spec.host_network.unwrap_or(false);
    let mut reader = Containers { names: BTreeSet::new(), host_network, ports: Vec::new() };
    reader.read(&spec_at.key("initContainers"), spec.init_containers.unwrap_or_default(), true, f);
    reader.read(&spec_at.key("containers"), containers, false, f);
    Some(PodObject {
        finished: matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")),
        node_selector: spec.node_selector.unwrap_or_default(),
        owner: meta.owner,
        pod: Pod {
            name: meta.name,
            // The kubelet runs a static pod under another UID than its mirror in the API has.
            uid: meta.mirror_of.unwrap_or(meta.uid),
            labels: Arc::new(meta.labels),
            node: spec.node_name.filter(|n| !n.is_empty()),
            addresses: addresses(&status_at, status.pod_ips, status.pod_ip, f),
            host_network,
            ports: reader.ports,
        },
    })
}

struct Containers {
    names: BTreeSet<String>,
    host_network: bool,
    ports: Vec<ContainerPort>,
}

impl Containers {
    /// Checks containers and collects their ports. Of init containers only those that go on running (sidecars,
    /// `restartPolicy: Always`) have ports that can be reached.
    fn read(&mut self, at: &FieldPath<'_>, list: Vec<Container>, init: bool, f: &mut Findings) {
        for (i, container) in list.into_iter().enumerate() {
            let at = at.index(i);
            let name = container.name.unwrap_or_default();
            f.syntax(&at.key("name"), &name, syntax::dns_label);
            if !self.names.insert(name.clone()) {
                f.add(&at.key("name"), format!("{} is the name of two containers", quoted(&name)));
            }
            let runs = !init || container.restart_policy.as_deref() == Some("Always");
            let (ports_at, mut names) = (at.key("ports"), BTreeSet::new());
            for (i, port) in container.ports.unwrap_or_default().into_iter().enumerate() {
                let at = ports_at.index(i);
                if let Some(name) = &port.name
                    && !name.is_empty()
                    && !names.insert(name.clone())
                {
                    f.add(
                        &at.key("name"),
                        format!("{} is the name of two ports of this container", quoted(name)),
                    );
                }
                if let Some(port) = self.port(&at, port, f)
                    && runs
                {
                    self.ports.push(port);
                }
            }
        }
    }

    fn port(&self, at: &FieldPath<'_>, wire: Port, f: &mut Findings) -> Option<ContainerPort> {
        let name = wire.name.filter(|n| !n.is_empty());
        if let Some(name) = &name {
            port::name(&at.key("name"), name, f);
        }
        let number = port::number(&at.key("containerPort"), wire.container_port.unwrap_or(0), f);
        let host_at = at.key("hostPort");
        let host_port = match wire.host_port {
            None | Some(0) => None,
            Some(host) => port::number(&host_at, host, f),
        };
        if self.host_network && host_port.is_some() && host_port != number {
            f.add(&host_at, "with hostNetwork it must be equal to containerPort: leave it out");
        }
        if let Some(text) = wire.host_ip.filter(|t| !t.is_empty())
            && let Err(reason) = address::address(&text)
        {
            f.add(&at.key("hostIP"), format!("{}: {reason}", quoted(&text)));
        }
        let protocol = port::protocol(&at.key("protocol"), wire.protocol.as_deref(), f);
        Some(ContainerPort { name, port: number?, protocol: protocol?, host_port })
    }
}

fn addresses(
    at: &FieldPath<'_>,
    list: Option<Vec<PodIp>>,
    one: Option<String>,
    f: &mut Findings,
) -> Vec<IpAddr> {
    let list_at = at.key("podIPs");
    let list: Vec<String> = list.into_iter().flatten().map(|ip| ip.ip.unwrap_or_default()).collect();
    let mut addresses: Vec<IpAddr> = Vec::new();
    let one = one.filter(|ip| !ip.is_empty());
    let single = list.is_empty();
    for (i, text) in list.iter().chain(one.iter().filter(|_| single)).enumerate() {
        let (entry, single_at) = (list_at.index(i), at.key("podIP"));
        let field = if single { &single_at } else { &entry };
        match address::address(text) {
            Ok(address) if addresses.iter().any(|a| a.is_ipv4() == address.is_ipv4()) => {
                f.add(
                    &list_at,
                    "there is more than one address of one IP family: a pod has at most one of each",
                );
            }
            Ok(address) => addresses.push(address),
            Err(reason) => f.add(field, format!("{}: {reason}", quoted(text))),
        }
    }
    addresses
}
