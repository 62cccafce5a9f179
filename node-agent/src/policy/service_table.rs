//! Services and host ports as this node's programs meet them, with what no later hook of this node judges.
use super::backends::Backend;
use super::classes::Member;
use super::compiler::Compiler;
use super::effort;
use super::lookup::service_key;
use super::rules::Direction;
use super::shares::{Share, Source, Wanted};
use super::tables::Tables;
use crate::model::{Pod, Service, TrafficPolicy};
use ringfence_abi::{Addr, AddressKind, ServiceKey, ServiceValue};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The class of a backend that no later hook of this node judges; `None` for pods, whose hooks do, and for this node.
fn judged_later(tables: &Tables, address: IpAddr) -> Option<u32> {
    let found = tables.locate(address);
    match found.kind {
        AddressKind::External | AddressKind::RemoteNode | AddressKind::RemoteTransit => Some(found.class),
        _ => None,
    }
}

impl Compiler {
    /// Adds to `stale` whose share must be made anew because of what Services stand on: nodes and pod CIDRs, prefixes,
    /// addresses that are something else than before, and whether anybody's egress is isolated at all. Returns whether
    /// that last has changed, so that every key says something else.
    pub(super) fn stale_services(
        &mut self,
        tables: &Tables,
        (ranges, prefixes, moved): (bool, bool, &[Addr]),
        stale: &mut BTreeSet<Source>,
    ) -> bool {
        let any_egress = self.profiles.iter().any(|(_, p)| p.key.direction == Direction::Egress);
        let toggled = std::mem::replace(&mut self.any_egress, any_egress) != any_egress;
        if toggled || ranges {
            stale.extend(self.services.sources());
            return toggled;
        }
        // While nobody's egress is isolated, nobody asks for classes.
        if !any_egress {
            return false;
        }
        for address in moved {
            stale.extend(self.services.leading_to((*address).into()).cloned());
        }
        if prefixes {
            let by_prefix = |a: &IpAddr| !tables.addresses.contains_key(&(*a).into());
            let leading = self.services.leading().filter(|(address, _)| by_prefix(address));
            stale.extend(leading.flat_map(|(_, sources)| sources).cloned());
        }
        false
    }

    /// Makes these shares anew, and brings the keys up to date of which they say something else than before; or `every` key.
    pub(super) fn refresh_services(&mut self, tables: &mut Tables, stale: BTreeSet<Source>, every: bool) {
        let mut touched = BTreeSet::new();
        for source in stale {
            let share = match &source {
                Source::Service(name) => {
                    let known = self.services.known.get(name);
                    known.map(|(service, all)| self.share_of_service(tables, service, all))
                }
                Source::HostPorts(name) => {
                    let pod =
                        self.services.host_ports.get(name).filter(|p| self.any_egress && !p.host_network);
                    pod.map(|pod| self.share_of_host_ports(tables, pod))
                }
            };
            self.services.shares.set(&source, share.unwrap_or_default(), &mut touched);
        }
        if every {
            touched.extend(self.services.shares.keys());
        }
        for key in touched {
            self.refresh_service(tables, key);
        }
    }

    fn refresh_service(&mut self, tables: &mut Tables, key: ServiceKey) {
        let new = self.services.shares.at(&key).map(|want| {
            if !self.any_egress || (!want.always && want.members.is_empty()) {
                return ServiceValue { class: 0 };
            }
            let members: Vec<Member> = want.members.into_iter().collect();
            ServiceValue { class: self.service_classes.acquire(&members, &mut self.next_class) }
        });
        let old = match new {
            Some(value) => tables.services.insert(key, value),
            None => tables.services.remove(&key),
        };
        if let Some(old) = old.filter(|old| old.class != 0) {
            self.service_classes.release(old.class);
        }
    }

    fn share_of_service(&self, tables: &Tables, service: &Service, all: &[Vec<Backend>]) -> Share {
        let mut share = Share::new();
        let cluster_local = service.internal_traffic_policy == TrafficPolicy::Local;
        for address in &service.cluster_ips {
            share.entry(service_key(*address, 0, 0)).or_default();
        }
        for (port, backends) in service.ports.iter().zip(all) {
            effort::spend(backends.len());
            let number = port.protocol.number();
            let outside = |address: &IpAddr| {
                let family = address.is_ipv4();
                let near = backends.iter().filter(move |b| b.address.is_ipv4() == family);
                near.filter_map(|b| Some((judged_later(tables, b.address)?, b.port, number)))
            };
            for address in &service.cluster_ips {
                let want = share.entry(service_key(*address, number, port.port)).or_default();
                // With internalTrafficPolicy Local only this node's own: pods are judged, the node is always allowed.
                want.members.extend(outside(address).filter(|_| !cluster_local));
            }
            for address in &service.external_ips {
                let want = share.entry(service_key(*address, number, port.port)).or_default();
                want.members.extend(outside(address));
            }
            if let Some(node_port) = port.node_port.filter(|_| self.any_egress) {
                self.share_of_node_port(tables, (service, backends, number), node_port, &mut share);
            }
        }
        share
    }

    fn share_of_node_port(
        &self,
        tables: &Tables,
        (service, backends, protocol): (&Service, &[Backend], u8),
        node_port: u16,
        share: &mut Share,
    ) {
        for (address, node) in &self.nodes.addresses {
            effort::spend(backends.len());
            let address = IpAddr::from(*address);
            let key = service_key(address, protocol, node_port);
            let of_family = backends.iter().filter(|b| b.address.is_ipv4() == address.is_ipv4());
            if node.kind == AddressKind::ThisNode {
                let later = |b: &Backend| Some((judged_later(tables, b.address)?, b.port, protocol));
                let members: Vec<Member> = of_family.filter_map(later).collect();
                if !members.is_empty() {
                    share.entry(key).or_default().members.extend(members);
                }
            } else if node.kind == AddressKind::RemoteNode {
                let there = |b: &&Backend| {
                    service.external_traffic_policy == TrafficPolicy::Cluster
                        || self.nodes.is_on(&self.numbers, b, node.owner)
                };
                let used: Vec<&Backend> = of_family.filter(there).collect();
                if !used.is_empty() {
                    let members = used.iter().filter_map(|b| member(tables, b.address, b.port, protocol));
                    let want = share.entry(key).or_default();
                    want.members.extend(members);
                    want.always = true;
                }
            }
        }
    }

    /// A host port of another node leads to a pod there; here its packets still bear the node's address.
    fn share_of_host_ports(&self, tables: &Tables, pod: &Pod) -> Share {
        let mut share = Share::new();
        let away = pod.node.as_ref().filter(|node| **node != self.local.node);
        let owner = away.map(|node| self.numbers.of(node));
        let named = away.and_then(|node| self.snapshot.nodes.get(node)).map(|node| &node.addresses);
        let its = |address: &&IpAddr| {
            let found = self.nodes.addresses.get(&(**address).into());
            found.is_some_and(|f| f.kind == AddressKind::RemoteNode && Some(f.owner) == owner)
        };
        for (host_port, port) in pod.ports.iter().filter_map(|port| Some((port.host_port?, port))) {
            let number = port.protocol.number();
            for address in named.into_iter().flatten().filter(its) {
                effort::spend(1);
                let target = pod.addresses.iter().find(|a| a.is_ipv4() == address.is_ipv4());
                if let Some(target) = target {
                    let want = share.entry(service_key(*address, number, host_port));
                    want.or_insert_with(|| Wanted {
                        members: member(tables, *target, port.port, number).into_iter().collect(),
                        always: true,
                    });
                }
            }
        }
        share
    }
}

/// A backend behind another node; `None` for this node itself, which a pod may always reach.
fn member(tables: &Tables, address: IpAddr, port: u16, protocol: u8) -> Option<Member> {
    let found = tables.locate(address);
    (found.kind != AddressKind::ThisNode).then_some((found.class, port, protocol))
}
