//! Destination translation of one node, as kube-proxy does it for Services and portmap for host ports.
use crate::desired::Snapshot;
use crate::model::{Protocol, Service, TrafficPolicy};
use crate::policy::{Backend, backends};
use std::collections::HashMap;
use std::net::IpAddr;

/// Where connections to an address and port may end.
#[derive(Clone, Debug)]
struct Entry {
    backends: Vec<Backend>,
    way: Way,
    policy: TrafficPolicy,
}

/// What kind of address leads there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    ClusterIp,
    /// External IPs, those of load balancers, node ports.
    External,
    HostPort,
}

/// Who asks, as the rules of the node see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) address: IpAddr,
    /// One of this node's pods.
    pub(super) local_pod: bool,
    /// This node itself.
    pub(super) node: bool,
    /// A pod of any node.
    pub(super) cluster_pod: bool,
}

/// A translation to choose from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Translation {
    /// Backends with their own ports; none: the connection is refused.
    pub(super) targets: Vec<(IpAddr, u16)>,
    /// Whether the connection is marked for masquerading, whichever it ends at.
    pub(super) masquerade: bool,
}

type Port = (u16, u8);

/// All Services and host ports of a cluster.
#[derive(Debug, Default)]
pub(super) struct Services {
    addresses: HashMap<(IpAddr, Port), Entry>,
    node_ports: HashMap<Port, Entry>,
    /// By node name.
    host_ports: HashMap<(String, Port), Vec<Entry>>,
}

impl Services {
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        let mut all = Self::default();
        let owners = owners(snapshot);
        for service in snapshot.services.values() {
            all.take_service(service, snapshot, &owners);
        }
        for pod in snapshot.pods.values().filter(|pod| !pod.host_network) {
            let Some(node) = &pod.node else { continue };
            for port in &pod.ports {
                let Some(host_port) = port.host_port else { continue };
                let backend = |a: &IpAddr| Backend { address: *a, port: port.port, node: Some(node.clone()) };
                let backends = pod.addresses.iter().map(backend).collect();
                let entry = Entry { backends, way: Way::HostPort, policy: TrafficPolicy::Cluster };
                let key = (node.clone(), (host_port, port.protocol.number()));
                all.host_ports.entry(key).or_default().push(entry);
            }
        }
        all
    }

    /// Where two Services claim the same, the first by name has it.
    fn take_service(&mut self, service: &Service, snapshot: &Snapshot, owners: &HashMap<IpAddr, String>) {
        for (port, mut backends) in service.ports.iter().zip(backends(service, snapshot)) {
            for backend in &mut backends {
                backend.node = backend.node.take().or_else(|| owners.get(&backend.address).cloned());
            }
            let number = port.protocol.number();
            let entry = |way, policy| Entry { backends: backends.clone(), way, policy };
            let internal = entry(Way::ClusterIp, service.internal_traffic_policy);
            let external = entry(Way::External, service.external_traffic_policy);
            for address in &service.cluster_ips {
                let key = (*address, (port.port, number));
                self.addresses.entry(key).or_insert_with(|| internal.clone());
            }
            for address in &service.external_ips {
                let key = (*address, (port.port, number));
                self.addresses.entry(key).or_insert_with(|| external.clone());
            }
            if let Some(node_port) = port.node_port {
                self.node_ports.entry((node_port, number)).or_insert(external);
            }
        }
    }

    /// What `node` does with a new connection of `client` to `dst`; `own`: it is an address of the node.
    pub(super) fn at(
        &self,
        node: &str,
        client: Client,
        (dst, protocol): ((IpAddr, u16), u8),
        own: bool,
    ) -> Option<Translation> {
        if !Protocol::ALL.iter().any(|p| p.number() == protocol) {
            return None;
        }
        let port = (dst.1, protocol);
        let node_port = self.node_ports.get(&port).filter(|_| own);
        let host_port = || self.host_ports.get(&(node.to_owned(), port)).filter(|_| own)?.first();
        let entry = self.addresses.get(&(dst.0, port)).or(node_port).or_else(host_port)?;
        let inside = client.local_pod || client.node;
        let near_only = entry.policy == TrafficPolicy::Local && (entry.way == Way::ClusterIp || !inside);
        let of_family = entry.backends.iter().filter(|b| b.address.is_ipv4() == dst.0.is_ipv4());
        let near = of_family.filter(|b| !near_only || b.node.as_deref() == Some(node));
        let masquerade = match (entry.way, entry.policy) {
            (Way::ClusterIp, _) => !client.cluster_pod,
            (Way::External, TrafficPolicy::Cluster) => true,
            (Way::External, TrafficPolicy::Local) => client.node,
            (Way::HostPort, _) => false,
        };
        Some(Translation { targets: near.map(|b| (b.address, b.port)).collect(), masquerade })
    }
}

/// The node that an address is on: of backends whose slice does not say it.
fn owners(snapshot: &Snapshot) -> HashMap<IpAddr, String> {
    let pods = snapshot.pods.values().filter_map(|pod| Some((&pod.addresses, pod.node.as_ref()?)));
    let nodes = snapshot.nodes.values().map(|node| (&node.addresses, &node.name));
    pods.chain(nodes).flat_map(|(list, node)| list.iter().map(|a| (*a, node.clone()))).collect()
}

impl Translation {
    /// Whether a connection of `client` that ends at `target` is masqueraded: a pod behind its own Service always is, or
    /// it would answer itself past the translation.
    pub(super) fn masquerades(&self, client: Client, target: IpAddr) -> bool {
        self.masquerade || client.address == target
    }
}
