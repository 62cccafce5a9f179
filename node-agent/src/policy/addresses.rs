//! The address table: what each address is and which class it falls into.
use super::classes::ClassKey;
use super::compiler::Compiler;
use super::mistake::Mistake;
use super::sets::EMPTY;
use super::tables::Tables;
use crate::model::{ObjectName, Pod, Problem};
use ringfence_abi::{Addr, AddressKind, AddressValue};
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

/// Which addresses to look at again.
#[derive(Debug)]
pub(super) enum Dirty {
    All,
    These(HashSet<Addr>),
}

impl Dirty {
    pub(super) fn extend(&mut self, addresses: impl IntoIterator<Item = Addr>) {
        if let Self::These(these) = self {
            these.extend(addresses);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::These(these) if these.is_empty())
    }
}

/// What an address is. Without a key its class is 0, which matches nothing.
struct Place {
    kind: AddressKind,
    owner: u32,
    key: Option<ClassKey>,
}

impl Compiler {
    /// The addresses whose entries changed.
    pub(super) fn refresh_addresses(&mut self, tables: &mut Tables, dirty: Dirty) -> Vec<Addr> {
        let addresses = match dirty {
            Dirty::These(these) => these,
            Dirty::All => {
                let known = self.claims.addresses().chain(self.nodes.addresses.keys().copied());
                let local = self.locals.by_address.keys().copied();
                known.chain(local).chain(tables.addresses.keys().copied()).collect()
            }
        };
        let mut changed = Vec::new();
        for address in addresses {
            let new = self.place(address).map(|place| AddressValue {
                class: place.key.map_or(0, |key| self.classes.acquire(&key, &mut self.next_class)),
                owner: place.owner,
                kind: place.kind as u8,
                pad: [0; 3],
            });
            let old = match new {
                Some(value) => tables.addresses.insert(address, value),
                None => tables.addresses.remove(&address),
            };
            if old != new {
                changed.push(address);
            }
            if let Some(old) = old {
                self.classes.release(old.class);
            }
        }
        changed
    }

    /// Who has the address: this node, a local sandbox, another node, else a pod of the snapshot.
    fn place(&mut self, address: Addr) -> Option<Place> {
        let ip: IpAddr = address.into();
        let node = self.nodes.addresses.get(&address).copied();
        let local = self.locals.by_address.get(&address).copied();
        match (node, local) {
            (Some(node), _) if node.kind == AddressKind::ThisNode => {
                Some(Place { kind: node.kind, owner: node.owner, key: Some(self.node_class(node.kind, ip)) })
            }
            (_, Some(ifindex)) => {
                let pod = self.locals.by_ifindex.get(&ifindex).and_then(|b| b.pod.clone());
                let key = pod.map(|pod| self.pod_class(&pod, ip));
                Some(Place { kind: AddressKind::LocalPod, owner: ifindex, key })
            }
            (Some(node), None) => {
                Some(Place { kind: node.kind, owner: node.owner, key: Some(self.node_class(node.kind, ip)) })
            }
            (None, None) => self.claimed(address, ip),
        }
    }

    /// A pod's that only the snapshot knows. Where several claim it, only what matches all of them matches it.
    fn claimed(&mut self, address: Addr, ip: IpAddr) -> Option<Place> {
        let here = |pod: &Pod| pod.node.as_ref() == Some(&self.local.node);
        let stale = |pod: &Pod| here(pod) && self.locals.pods.contains_key(&pod.name);
        let pods: Vec<Arc<Pod>> = self.claims.of(address).filter(|pod| !stale(pod)).cloned().collect();
        let first = pods.first()?;
        let (kind, owner) = match here(first) {
            true => (AddressKind::LocalPod, 0),
            false => (AddressKind::RemotePod, self.numbers.of(first.node.as_deref().unwrap_or_default())),
        };
        let mut key = self.pod_class(first, ip);
        for other in &pods[1..] {
            let also = self.pod_class(other, ip);
            key.pods = self.sets.intersection(key.pods, also.pods);
            key.features = self.sets.intersection(key.features, also.features);
        }
        Some(Place { kind, owner, key: Some(key) })
    }

    fn pod_class(&mut self, pod: &Pod, address: IpAddr) -> ClassKey {
        let identity = (pod.name.namespace.as_str(), &pod.labels);
        let known = &self.snapshot.namespaces;
        ClassKey {
            pods: self.identities.set_of(identity, known, &self.matchers, &mut self.sets, self.seeded),
            blocks: match self.seeded.makes(Mistake::BlockIgnoresPods) {
                true => EMPTY,
                false => self.ranges.set_of(address),
            },
            features: self.features.set_of(pod, &mut self.sets, self.seeded),
        }
    }

    fn node_class(&self, kind: AddressKind, address: IpAddr) -> ClassKey {
        let blocks = match kind {
            AddressKind::RemoteTransit => self.ranges.whole[usize::from(address.is_ipv6())],
            _ if self.seeded.makes(Mistake::BlockIgnoresNodes) => EMPTY,
            _ => self.ranges.set_of(address),
        };
        ClassKey { blocks, ..ClassKey::default() }
    }

    /// Addresses that several pods claim.
    pub(super) fn contested(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        for address in self.claims.contested() {
            let names: Vec<String> = self.claims.of(address).map(|pod| pod.name.to_string()).collect();
            let object =
                self.claims.of(address).next().map_or(ObjectName::new("", ""), |pod| pod.name.clone());
            found.push(Problem {
                source: "policy".to_owned(),
                kind: "Pod".to_owned(),
                object,
                field: "status.podIPs".to_owned(),
                message: format!(
                    "{} is claimed by {}: until one has gone, only peers that match all of them match it",
                    IpAddr::from(address),
                    names.join(", ")
                ),
            });
        }
        found
    }
}
