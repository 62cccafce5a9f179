//! Who has which address, and where a Service leads, indexed once for many questions.
use crate::desired::Snapshot;
use crate::model::{ObjectName, Pod, Protocol, Service};
use crate::policy::backends::{Backend, backends};
use crate::watch::queries::Party;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

type Port = (u16, Protocol);

/// A snapshot with its indexes.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) snapshot: Snapshot,
    owners: HashMap<IpAddr, Party>,
    /// Services by their own addresses, in order of name.
    services: HashMap<IpAddr, Vec<Arc<Service>>>,
    /// The first Service by name with this node port, and which of its ports.
    node_ports: HashMap<Port, (Arc<Service>, usize)>,
    /// The first pod by name with this host port on a node, and its own port.
    host_ports: HashMap<(String, Port), (Arc<Pod>, u16)>,
    backends: BTreeMap<ObjectName, Vec<Vec<Backend>>>,
}

impl Directory {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        let mut out = Self {
            owners: HashMap::new(),
            services: HashMap::new(),
            node_ports: HashMap::new(),
            host_ports: HashMap::new(),
            backends: BTreeMap::new(),
            snapshot: snapshot.clone(),
        };
        for node in snapshot.nodes.values() {
            for address in &node.addresses {
                out.owners.entry(*address).or_insert_with(|| Party::Node(node.name.clone()));
            }
        }
        snapshot.pods.values().filter(|p| !p.host_network).for_each(|pod| out.take_pod(pod));
        snapshot.services.values().for_each(|service| out.take_service(service));
        out
    }

    fn take_pod(&mut self, pod: &Arc<Pod>) {
        for address in &pod.addresses {
            self.owners.entry(*address).or_insert_with(|| Party::Pod(pod.name.clone()));
        }
        for port in &pod.ports {
            if let (Some(host_port), Some(node)) = (port.host_port, &pod.node) {
                let key = (node.clone(), (host_port, port.protocol));
                self.host_ports.entry(key).or_insert_with(|| (pod.clone(), port.port));
            }
        }
    }

    fn take_service(&mut self, service: &Arc<Service>) {
        for address in service.cluster_ips.iter().chain(&service.external_ips) {
            self.services.entry(*address).or_default().push(service.clone());
        }
        for (index, port) in service.ports.iter().enumerate() {
            if let Some(node_port) = port.node_port {
                let key = (node_port, port.protocol);
                self.node_ports.entry(key).or_insert_with(|| (service.clone(), index));
            }
        }
        self.backends.insert(service.name.clone(), backends(service, &self.snapshot));
    }

    /// A pod for itself, a node, else somebody outside.
    pub(super) fn who(&self, address: IpAddr) -> Party {
        self.owners.get(&address).cloned().unwrap_or(Party::Outside)
    }

    pub(super) fn services_at(&self, address: IpAddr) -> &[Arc<Service>] {
        self.services.get(&address).map_or(&[], Vec::as_slice)
    }

    pub(super) fn at_node_port(&self, port: Port) -> Option<&(Arc<Service>, usize)> {
        self.node_ports.get(&port)
    }

    pub(super) fn at_host_port(&self, node: &str, port: Port) -> Option<&(Arc<Pod>, u16)> {
        self.host_ports.get(&(node.to_owned(), port))
    }

    /// Backends of one port of a Service, of one family.
    pub(super) fn backends(
        &self,
        service: &Service,
        port: usize,
        ipv6: bool,
    ) -> impl Iterator<Item = &Backend> {
        let all = self.backends.get(&service.name).and_then(|ports| ports.get(port));
        all.into_iter().flatten().filter(move |b| b.address.is_ipv6() == ipv6)
    }

    /// The node that somebody is or is on.
    pub(super) fn node_of(&self, party: &Party) -> Option<&str> {
        match party {
            Party::Pod(name) => self.snapshot.pods.get(name).and_then(|p| p.node.as_deref()),
            Party::Node(name) => self.snapshot.nodes.get_key_value(name).map(|(name, _)| name.as_str()),
            Party::Outside | Party::Service(_) => None,
        }
    }
}
