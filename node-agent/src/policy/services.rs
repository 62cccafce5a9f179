//! Services with their backends, and which of them a change concerns.
use super::backends::{Backend, backends_in, selects};
use super::delta::Change;
use super::effort;
use super::shares::{Shares, Source};
use crate::desired::Snapshot;
use crate::model::{EndpointSlice, ObjectName, Pod, Service};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// Backends of each entry of a Service's ports.
type Backends = Vec<Vec<Backend>>;

/// Services with their backends.
#[derive(Debug, Default)]
pub(super) struct Services {
    pub(super) known: BTreeMap<ObjectName, (Arc<Service>, Backends)>,
    /// Slices by their Service.
    slices: HashMap<ObjectName, BTreeMap<ObjectName, Arc<EndpointSlice>>>,
    /// Pods with host ports.
    pub(super) host_ports: BTreeMap<ObjectName, Arc<Pod>>,
    /// Who leads to an address.
    leading: HashMap<IpAddr, BTreeSet<Source>>,
    pub(super) shares: Shares,
}

/// What changed in a snapshot that Services may depend on.
pub(super) struct ServiceChanges<'a> {
    pub(super) services: &'a [Change<ObjectName, Service>],
    pub(super) slices: &'a [Change<ObjectName, EndpointSlice>],
    pub(super) pods: &'a [Change<ObjectName, Pod>],
}

impl Services {
    /// Brings backends up to date. Returns whose changed.
    pub(super) fn update(&mut self, changes: &ServiceChanges<'_>, snapshot: &Snapshot) -> BTreeSet<Source> {
        let mut dirty: BTreeSet<ObjectName> = changes.services.iter().map(|c| c.key.clone()).collect();
        for change in changes.slices {
            self.update_slice(change, &mut dirty);
        }
        let mut changed = BTreeSet::new();
        for change in changes.pods {
            let start = ObjectName::new(&change.key.namespace, "");
            let near =
                snapshot.services.range(start..).take_while(|(n, _)| n.namespace == change.key.namespace);
            let near = near.inspect(|_| effort::spend(1));
            let either = |s: &Service| change.old.iter().chain(&change.new).any(|pod| selects(s, pod));
            dirty.extend(near.filter(|(_, s)| either(s)).map(|(name, _)| name.clone()));
            if self.update_host_ports(change) {
                changed.insert(Source::HostPorts(change.key.clone()));
            }
        }
        for name in dirty {
            effort::spend(1);
            let slices: Vec<_> = self.slices.get(&name).into_iter().flat_map(BTreeMap::values).collect();
            let found = snapshot.services.get(&name);
            let new = found.map(|s| (s.clone(), backends_in(s, &slices, snapshot)));
            if self.known.get(&name) == new.as_ref() {
                continue;
            }
            let addresses = |entry: &(Arc<Service>, Backends)| addresses(&entry.1);
            let to = new.as_ref().map(addresses).unwrap_or_default();
            let old = match new {
                Some(new) => self.known.insert(name.clone(), new),
                None => self.known.remove(&name),
            };
            let from = old.as_ref().map(addresses).unwrap_or_default();
            let source = Source::Service(name);
            self.lead(&source, from, to);
            changed.insert(source);
        }
        changed
    }

    /// Takes in a slice, and adds whose it was and is to `dirty`.
    fn update_slice(&mut self, change: &Change<ObjectName, EndpointSlice>, dirty: &mut BTreeSet<ObjectName>) {
        let service = |slice: &EndpointSlice| ObjectName::new(&slice.name.namespace, &slice.service);
        if let Some(old) = &change.old {
            let of = service(old);
            if let Some(slices) = self.slices.get_mut(&of) {
                slices.remove(&change.key);
                if slices.is_empty() {
                    self.slices.remove(&of);
                }
            }
            dirty.insert(of);
        }
        if let Some(new) = &change.new {
            let of = service(new);
            self.slices.entry(of.clone()).or_default().insert(change.key.clone(), new.clone());
            dirty.insert(of);
        }
    }

    /// Whether a pod's host ports are others than before.
    fn update_host_ports(&mut self, change: &Change<ObjectName, Pod>) -> bool {
        let ported = change.new.iter().find(|pod| pod.ports.iter().any(|p| p.host_port.is_some()));
        let old = match ported {
            Some(pod) => self.host_ports.insert(change.key.clone(), pod.clone()),
            None => self.host_ports.remove(&change.key),
        };
        if old.as_ref() == ported {
            return false;
        }
        let of = |pod: Option<&Arc<Pod>>| pod.map(|p| p.addresses.clone()).unwrap_or_default();
        self.lead(&Source::HostPorts(change.key.clone()), of(old.as_ref()), of(ported));
        true
    }

    /// Notes that a source leads to other addresses than before.
    fn lead(&mut self, source: &Source, from: Vec<IpAddr>, to: Vec<IpAddr>) {
        effort::spend(from.len() + to.len());
        for address in from {
            if let Some(sources) = self.leading.get_mut(&address) {
                sources.remove(source);
                if sources.is_empty() {
                    self.leading.remove(&address);
                }
            }
        }
        for address in to {
            self.leading.entry(address).or_default().insert(source.clone());
        }
    }

    /// Who leads to an address.
    pub(super) fn leading_to(&self, address: IpAddr) -> impl Iterator<Item = &Source> {
        self.leading.get(&address).into_iter().flatten()
    }

    /// Every address that somebody leads to, with who does.
    pub(super) fn leading(&self) -> impl Iterator<Item = (&IpAddr, &BTreeSet<Source>)> {
        self.leading.iter()
    }

    /// Everyone who has a say.
    pub(super) fn sources(&self) -> impl Iterator<Item = Source> {
        let services = self.known.keys().cloned().map(Source::Service);
        services.chain(self.host_ports.keys().cloned().map(Source::HostPorts))
    }
}

fn addresses(backends: &Backends) -> Vec<IpAddr> {
    let all: BTreeSet<IpAddr> = backends.iter().flatten().map(|backend| backend.address).collect();
    all.into_iter().collect()
}
