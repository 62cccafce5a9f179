//! Who serves a Service's port: what the EndpointSlice controller would write, where nobody wrote slices.
use super::Backend;
use crate::desired::Snapshot;
use crate::model::{Pod, Service, ServicePort, TargetPort};
use std::net::{IpAddr, SocketAddr};

pub(super) fn of(snapshot: &Snapshot, service: &Service, port: &ServicePort, ipv4: bool) -> Vec<Backend> {
    let own = |namespace: &str| namespace == service.name.namespace;
    let slices =
        || snapshot.slices.iter().filter(|(n, s)| own(&n.namespace) && s.service == service.name.name);
    let mut backends: Vec<Backend> = Vec::new();
    if slices().next().is_some() {
        for (_, slice) in slices() {
            let same = slice.ports.iter().find(|p| p.name == port.name && p.protocol == port.protocol);
            // kube-proxy passes over a slice's port without a number.
            let Some(number) = same.and_then(|p| p.port) else { continue };
            for endpoint in slice.endpoints.iter().filter(|e| e.ready) {
                // Of several addresses of an endpoint only the first is used (discovery/v1, Endpoint.addresses).
                let Some(address) = endpoint.addresses.first().filter(|a| a.is_ipv4() == ipv4) else {
                    continue;
                };
                let node = endpoint.node.clone().or_else(|| node_of(snapshot, *address));
                backends.push(Backend { at: SocketAddr::new(*address, number), node });
            }
        }
    } else if let Some(selector) = &service.selector {
        for (name, pod) in snapshot.pods.iter().filter(|(name, _)| own(&name.namespace)) {
            let selected = selector.iter().all(|(k, v)| pod.labels.get(k) == Some(v));
            let address = pod.addresses.iter().find(|a| a.is_ipv4() == ipv4);
            if let (true, Some(address), Some(number)) = (selected, address, target(pod, port)) {
                debug_assert_eq!(*name, pod.name);
                backends.push(Backend { at: SocketAddr::new(*address, number), node: pod.node.clone() });
            }
        }
    }
    backends.sort();
    backends.dedup();
    backends
}

/// The pod's own number of the port; `None` if it has no port of that name and protocol.
fn target(pod: &Pod, port: &ServicePort) -> Option<u16> {
    match &port.target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Named(name) => pod
            .ports
            .iter()
            .find(|p| p.name.as_deref() == Some(name.as_str()) && p.protocol == port.protocol)
            .map(|p| p.port),
    }
}

/// The node where an address is at home: a pod's, or the node's own.
fn node_of(snapshot: &Snapshot, address: IpAddr) -> Option<String> {
    let pod = snapshot.pods.values().find(|p| p.addresses.contains(&address)).and_then(|p| p.node.clone());
    pod.or_else(|| snapshot.nodes.values().find(|n| n.addresses.contains(&address)).map(|n| n.name.clone()))
}
