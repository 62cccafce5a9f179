//! Services and their backends.
use std::net::IpAddr;

use anyhow::{Context, Result};
use serde_json::Value;

use super::cluster::{Backend, Cluster, Pod, Service, ServicePort};
use super::read::{namespace, of_kind};
use super::selector;

/// A string inside an object.
pub(super) fn text<'a>(object: &'a Value, path: &str) -> Option<&'a str> {
    object.pointer(path).and_then(Value::as_str)
}

/// Every Service with its ready backends. They are what its EndpointSlices list, if it has any; else the ready pods it
/// selects: manifests rarely hold the slices that the cluster makes by itself.
pub(super) fn read_services(objects: &[Value], cluster: &Cluster) -> Result<Vec<Service>> {
    let mut services = Vec::new();
    for object in of_kind(objects, "Service") {
        let name = text(object, "/metadata/name").context("a Service without name")?;
        let service = read_service(object, name, objects, cluster);
        services.push(service.with_context(|| format!("Service {}/{name}", namespace(object)))?);
    }
    Ok(services)
}

fn read_service(object: &Value, name: &str, objects: &[Value], cluster: &Cluster) -> Result<Service> {
    let mut cluster_ips = addresses(object, "/spec/clusterIPs")?;
    if let (true, Some(ip)) = (cluster_ips.is_empty(), text(object, "/spec/clusterIP")) {
        cluster_ips.extend(ip.parse::<IpAddr>().ok());
    }
    let mut external_ips = addresses(object, "/spec/externalIPs")?;
    for entry in
        object.pointer("/status/loadBalancer/ingress").and_then(Value::as_array).into_iter().flatten()
    {
        if let Some(ip) = text(entry, "/ip") {
            external_ips.push(ip.parse().with_context(|| format!("status.loadBalancer {ip:?}"))?);
        }
    }
    let mut ports = Vec::new();
    for port in object.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten() {
        let number = |field: &str| port.get(field).and_then(Value::as_u64);
        let mut entry = ServicePort {
            port: u16::try_from(number("port").context("a port without number")?)?,
            protocol: text(port, "/protocol").unwrap_or("TCP").to_owned(),
            node_port: number("nodePort").map(u16::try_from).transpose()?,
            backends: Vec::new(),
        };
        entry.backends = match sliced(objects, namespace(object), name, port, &entry)? {
            Some(backends) => backends,
            None => selected(cluster, object, port, &entry)?,
        };
        ports.push(entry);
    }
    Ok(Service {
        namespace: namespace(object).to_owned(),
        name: name.to_owned(),
        cluster_ips,
        external_ips,
        local: text(object, "/spec/externalTrafficPolicy") == Some("Local"),
        internal_local: text(object, "/spec/internalTrafficPolicy") == Some("Local"),
        ports,
    })
}

/// Addresses in a list of strings; `None` (a headless Service's) is none.
fn addresses(object: &Value, path: &str) -> Result<Vec<IpAddr>> {
    let list = object.pointer(path).and_then(Value::as_array);
    let strings = list.into_iter().flatten().filter_map(Value::as_str).filter(|s| *s != "None");
    strings.map(|s| s.parse().with_context(|| format!("{path} {s:?}"))).collect()
}

/// Ready pods; a Service without selector has none.
fn selected(cluster: &Cluster, service: &Value, port: &Value, entry: &ServicePort) -> Result<Vec<Backend>> {
    let labels = service.pointer("/spec/selector").filter(|s| s.as_object().is_some_and(|m| !m.is_empty()));
    let Some(labels) = labels else { return Ok(Vec::new()) };
    let wanted = serde_json::json!({ "matchLabels": labels });
    let mut backends = Vec::new();
    for pod in cluster.pods.iter().filter(|p| p.namespace == namespace(service) && p.ready) {
        if !selector::matches(&wanted, &pod.labels)? {
            continue;
        }
        if let Some(target) = target_port(port, entry, pod)? {
            backends.extend(pod.addresses.iter().map(|address| Backend { address: *address, port: target }));
        }
    }
    Ok(backends)
}

/// The backend's own port: a number, a name resolved on this pod (`None` if it has no such port), or the Service's.
fn target_port(port: &Value, entry: &ServicePort, pod: &Pod) -> Result<Option<u16>> {
    match port.get("targetPort") {
        None | Some(Value::Null) => Ok(Some(entry.port)),
        Some(Value::Number(number)) => match number.as_u64().context("targetPort")? {
            0 => Ok(Some(entry.port)),
            number => Ok(Some(u16::try_from(number)?)),
        },
        Some(name) => {
            let named = |p: &&super::ContainerPort| {
                p.name.as_deref() == name.as_str() && p.protocol == entry.protocol
            };
            Ok(pod.ports.iter().find(named).map(|p| p.port))
        }
    }
}

/// What the Service's slices list for this port; `None` if it has no slices at all.
fn sliced(
    objects: &[Value],
    ns: &str,
    service: &str,
    port: &Value,
    entry: &ServicePort,
) -> Result<Option<Vec<Backend>>> {
    let mut backends = None;
    for slice in of_kind(objects, "EndpointSlice").filter(|s| namespace(s) == ns) {
        if text(slice, "/metadata/labels/kubernetes.io~1service-name") != Some(service) {
            continue;
        }
        let found: &mut Vec<Backend> = backends.get_or_insert_default();
        let list = |field: &str| slice.get(field).and_then(Value::as_array).into_iter().flatten();
        let same = |p: &&Value| {
            text(p, "/name").unwrap_or_default() == text(port, "/name").unwrap_or_default()
                && text(p, "/protocol").unwrap_or("TCP") == entry.protocol
        };
        let number = list("ports").find(same).and_then(|p| p.get("port")).and_then(Value::as_u64);
        let Some(number) = number else { continue };
        for endpoint in list("endpoints") {
            if endpoint.pointer("/conditions/ready") == Some(&Value::Bool(false)) {
                continue;
            }
            for address in addresses(endpoint, "/addresses")? {
                found.push(Backend { address, port: u16::try_from(number)? });
            }
        }
    }
    Ok(backends)
}
