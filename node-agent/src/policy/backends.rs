//! Where connections to a Service may end.
use super::effort;
use crate::desired::Snapshot;
use crate::model::{EndpointSlice, ObjectName, Pod, Service, ServicePort, TargetPort};
use std::net::IpAddr;
use std::sync::Arc;

/// One backend of one port of a Service.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Backend {
    /// A pod's, a node's or any other address.
    pub address: IpAddr,
    /// The backend's own port, host order.
    pub port: u16,
    /// The node it is on, if known.
    pub node: Option<String>,
}

/// The ready backends of each entry of `service.ports`, of both families: those in its slices if it has any, else the
/// pods that it selects.
pub fn backends(service: &Service, snapshot: &Snapshot) -> Vec<Vec<Backend>> {
    let slices: Vec<_> = slices_of(service, snapshot).collect();
    backends_in(service, &slices, snapshot)
}

/// The same, if the Service's slices are known.
pub(super) fn backends_in(
    service: &Service,
    slices: &[&Arc<EndpointSlice>],
    snapshot: &Snapshot,
) -> Vec<Vec<Backend>> {
    if !slices.is_empty() {
        return service.ports.iter().map(|port| sliced(slices, port)).collect();
    }
    let pods: Vec<_> = selected(service, snapshot).collect();
    let of_pod = |port: &ServicePort| pods.iter().flat_map(|pod| at_pod(pod, port)).collect();
    service.ports.iter().map(of_pod).collect()
}

/// Everything in the namespace; the map's keys are in order.
fn slices_of<'a>(
    service: &'a Service,
    snapshot: &'a Snapshot,
) -> impl Iterator<Item = &'a Arc<EndpointSlice>> + 'a {
    let namespace = &service.name.namespace;
    let near = snapshot.slices.range(ObjectName::new(namespace, "")..);
    let near = near.take_while(move |(name, _)| name.namespace == *namespace);
    near.map(|(_, slice)| slice).filter(|slice| slice.service == service.name.name)
}

fn selected<'a>(service: &'a Service, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a Arc<Pod>> + 'a {
    let namespace = &service.name.namespace;
    let near = snapshot.pods.range(ObjectName::new(namespace, "")..);
    let near = near.take_while(move |(name, _)| name.namespace == *namespace);
    let near = near.inspect(|_| effort::spend(1));
    near.map(|(_, pod)| pod).filter(|pod| selects(service, pod))
}

/// Whether the Service takes this pod for a backend, having no slices. An empty selector selects nothing.
pub(super) fn selects(service: &Service, pod: &Pod) -> bool {
    let selector = service.selector.as_ref().filter(|s| !s.is_empty());
    selector.is_some_and(|s| s.iter().all(|(key, value)| pod.labels.get(key) == Some(value)))
        && pod.name.namespace == service.name.namespace
}

fn at_pod(pod: &Pod, port: &ServicePort) -> Vec<Backend> {
    let number = match &port.target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Named(name) => {
            let same = |p: &&crate::model::ContainerPort| {
                p.name.as_ref() == Some(name) && p.protocol == port.protocol
            };
            pod.ports.iter().find(same).map(|p| p.port)
        }
    };
    let backend =
        |address: &IpAddr| number.map(|port| Backend { address: *address, port, node: pod.node.clone() });
    pod.addresses.iter().filter_map(backend).collect()
}

fn sliced(slices: &[&Arc<EndpointSlice>], port: &ServicePort) -> Vec<Backend> {
    let mut found = Vec::new();
    for slice in slices {
        effort::spend(1);
        let same = slice.ports.iter().filter(|p| p.name == port.name && p.protocol == port.protocol);
        for entry in same {
            let number = entry.port.unwrap_or(port.port);
            for endpoint in slice.endpoints.iter().filter(|e| e.ready) {
                let backend = |a: &IpAddr| Backend { address: *a, port: number, node: endpoint.node.clone() };
                found.extend(endpoint.addresses.iter().map(backend));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}
