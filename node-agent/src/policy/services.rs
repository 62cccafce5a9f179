//! Services and host ports as this node's programs meet them, with what no later hook of this node judges.
use super::backends::{Backend, backends, selects};
use super::classes::Member;
use super::compiler::Compiler;
use super::delta::Change;
use super::lookup::service_key;
use super::rules::Direction;
use super::tables::Tables;
use crate::desired::Snapshot;
use crate::model::{EndpointSlice, ObjectName, Pod, Service, TrafficPolicy};
use ringfence_abi::{AddressKind, ServiceKey, ServiceValue};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// Services with their backends.
#[derive(Debug, Default)]
pub(super) struct Services {
    known: BTreeMap<ObjectName, (Arc<Service>, Vec<Vec<Backend>>)>,
    /// Pods with host ports.
    host_ports: BTreeMap<ObjectName, Arc<Pod>>,
    /// Classes that the table in force refers to.
    held: Vec<u32>,
}

/// What changed in a snapshot that Services may depend on.
pub(super) struct ServiceChanges<'a> {
    pub(super) services: &'a [Change<ObjectName, Service>],
    pub(super) slices: &'a [Change<ObjectName, EndpointSlice>],
    pub(super) pods: &'a [Change<ObjectName, Pod>],
}

/// What one key shall say.
#[derive(Default)]
struct Wanted {
    members: BTreeSet<Member>,
    /// Also where there is no member: an address of another node, which would otherwise be judged as that node.
    always: bool,
}

impl Services {
    /// Brings backends up to date. Returns whether any changed.
    pub(super) fn update(&mut self, changes: &ServiceChanges<'_>, snapshot: &Snapshot) -> bool {
        let mut dirty: BTreeSet<ObjectName> = changes.services.iter().map(|c| c.key.clone()).collect();
        for slice in changes.slices.iter().flat_map(|c| c.old.iter().chain(&c.new)) {
            dirty.insert(ObjectName::new(&slice.name.namespace, &slice.service));
        }
        let mut changed = false;
        for change in changes.pods {
            let start = ObjectName::new(&change.key.namespace, "");
            let near =
                snapshot.services.range(start..).take_while(|(n, _)| n.namespace == change.key.namespace);
            let either = |s: &Service| change.old.iter().chain(&change.new).any(|pod| selects(s, pod));
            dirty.extend(near.filter(|(_, s)| either(s)).map(|(name, _)| name.clone()));
            let ported = change.new.iter().find(|pod| pod.ports.iter().any(|p| p.host_port.is_some()));
            let old = match ported {
                Some(pod) => self.host_ports.insert(change.key.clone(), pod.clone()),
                None => self.host_ports.remove(&change.key),
            };
            changed |= old.as_ref() != ported;
        }
        for name in dirty {
            let new = snapshot.services.get(&name).map(|s| (s.clone(), backends(s, snapshot)));
            changed |= self.known.get(&name) != new.as_ref();
            match new {
                Some(new) => self.known.insert(name, new),
                None => self.known.remove(&name),
            };
        }
        changed
    }

    /// Whether a change of some address's class may matter to any Service.
    fn sensitive(&self, tables: &Tables, any_egress: bool) -> bool {
        let node_ports = |s: &Service| s.ports.iter().any(|p| p.node_port.is_some());
        let pod = |b: &Backend| judged_later(tables, b.address).is_none();
        any_egress
            && (!self.host_ports.is_empty()
                || self.known.values().any(|(s, all)| node_ports(s) || !all.iter().flatten().all(pod)))
    }
}

/// The class of a backend that no later hook of this node judges; `None` for pods, whose hooks do, and for this node.
fn judged_later(tables: &Tables, address: IpAddr) -> Option<u32> {
    let found = tables.locate(address);
    match found.kind {
        AddressKind::External | AddressKind::RemoteNode | AddressKind::RemoteTransit => Some(found.class),
        _ => None,
    }
}

impl Compiler {
    /// Rebuilds the table of Services if anything that it stands on changed.
    pub(super) fn refresh_services(&mut self, tables: &mut Tables, backends: bool, classes: bool) {
        let any_egress = self.profiles.iter().any(|(_, p)| p.key.direction == Direction::Egress);
        let toggled = any_egress != self.any_egress;
        self.any_egress = any_egress;
        if !backends && !toggled && !(classes && self.services.sensitive(tables, any_egress)) {
            return;
        }
        let mut wanted: BTreeMap<ServiceKey, Wanted> = BTreeMap::new();
        for (service, all) in self.services.known.values() {
            self.want_service(tables, service, all, &mut wanted);
        }
        if any_egress {
            self.want_host_ports(tables, &mut wanted);
        }
        let mut held = Vec::new();
        let mut new: HashMap<ServiceKey, ServiceValue> = HashMap::with_capacity(wanted.len());
        for (key, want) in wanted {
            let class = if any_egress && (want.always || !want.members.is_empty()) {
                let members: Vec<Member> = want.members.into_iter().collect();
                let class = self.service_classes.acquire(&members, &mut self.next_class);
                held.push(class);
                class
            } else {
                0
            };
            new.insert(key, ServiceValue { class });
        }
        for class in std::mem::replace(&mut self.services.held, held) {
            self.service_classes.release(class);
        }
        tables.services = new;
    }

    fn want_service(
        &self,
        tables: &Tables,
        service: &Service,
        all: &[Vec<Backend>],
        wanted: &mut BTreeMap<ServiceKey, Wanted>,
    ) {
        let cluster_local = service.internal_traffic_policy == TrafficPolicy::Local;
        for address in &service.cluster_ips {
            wanted.entry(service_key(*address, 0, 0)).or_default();
        }
        for (port, backends) in service.ports.iter().zip(all) {
            let number = port.protocol.number();
            let outside = |address: &IpAddr| {
                let family = address.is_ipv4();
                let near = backends.iter().filter(move |b| b.address.is_ipv4() == family);
                near.filter_map(|b| Some((judged_later(tables, b.address)?, b.port, number)))
            };
            for address in &service.cluster_ips {
                let want = wanted.entry(service_key(*address, number, port.port)).or_default();
                // With internalTrafficPolicy Local only this node's own: pods are judged, the node is always allowed.
                want.members.extend(outside(address).filter(|_| !cluster_local));
            }
            for address in &service.external_ips {
                wanted
                    .entry(service_key(*address, number, port.port))
                    .or_default()
                    .members
                    .extend(outside(address));
            }
            let Some(node_port) = port.node_port.filter(|_| self.any_egress) else { continue };
            for (address, node) in &self.nodes.addresses {
                let address = IpAddr::from(*address);
                let key = service_key(address, number, node_port);
                if node.kind == AddressKind::ThisNode {
                    let members: Vec<_> = outside(&address).collect();
                    if !members.is_empty() {
                        wanted.entry(key).or_default().members.extend(members);
                    }
                } else if node.kind == AddressKind::RemoteNode {
                    let there = |b: &&Backend| {
                        service.external_traffic_policy == TrafficPolicy::Cluster
                            || self.nodes.is_on(&self.numbers, b, node.owner)
                    };
                    let of_family = backends.iter().filter(|b| b.address.is_ipv4() == address.is_ipv4());
                    let used: Vec<&Backend> = of_family.filter(there).collect();
                    if !used.is_empty() {
                        let want = wanted.entry(key).or_default();
                        want.always = true;
                        want.members.extend(
                            used.iter().filter_map(|b| self.member(tables, b.address, b.port, number)),
                        );
                    }
                }
            }
        }
    }

    /// A host port of another node leads to a pod there; here its packets still bear the node's address.
    fn want_host_ports(&self, tables: &Tables, wanted: &mut BTreeMap<ServiceKey, Wanted>) {
        for pod in self.services.host_ports.values().filter(|p| !p.host_network) {
            let owner =
                pod.node.as_ref().filter(|n| **n != self.local.node).and_then(|n| self.snapshot.nodes.get(n));
            let mapped = pod.ports.iter().filter_map(|p| Some((p.host_port?, p)));
            for (node, (host_port, port)) in owner.iter().flat_map(|n| mapped.clone().map(move |m| (n, m))) {
                for address in &node.addresses {
                    let number = port.protocol.number();
                    let key = service_key(*address, number, host_port);
                    let target = pod.addresses.iter().find(|a| a.is_ipv4() == address.is_ipv4());
                    if let (Some(target), false) = (target, wanted.contains_key(&key)) {
                        let members = self.member(tables, *target, port.port, number).into_iter().collect();
                        wanted.insert(key, Wanted { members, always: true });
                    }
                }
            }
        }
    }

    /// A backend behind another node; `None` for this node itself, which a pod may always reach.
    fn member(&self, tables: &Tables, address: IpAddr, port: u16, protocol: u8) -> Option<Member> {
        let found = tables.locate(address);
        (found.kind != AddressKind::ThisNode).then_some((found.class, port, protocol))
    }
}
