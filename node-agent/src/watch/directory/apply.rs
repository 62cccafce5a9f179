//! A cluster with other manifests on top, as `kubectl apply` does it.
use super::gather::{Draft, Gathered};
use super::loaded::{Entry, Loaded};
use crate::model::ObjectName;
use crate::watch::object::{Kind, PodObject, ServiceObject};
use std::collections::BTreeSet;

/// Adds to what was read the objects of `base` that it does not replace. The pods of a workload that was read again are
/// not among them: they are made anew (and keep their places).
pub(super) fn onto(all: &mut Gathered, base: &Loaded) {
    let replaced: BTreeSet<(String, ObjectName)> =
        all.workloads.values().map(|w| (format!("{:?}", w.value.kind), w.value.name.clone())).collect();
    let gone = |name: &ObjectName, pod: &Entry<_>| {
        let owner = pod.raw.owner();
        owner
            .is_some_and(|(kind, owner)| replaced.contains(&(kind, ObjectName::new(&*name.namespace, owner))))
    };
    for (name, pod) in base.pods.iter().filter(|(name, pod)| !gone(name, pod)) {
        all.pods.entry(name.clone()).or_insert_with(|| {
            let value = PodObject {
                pod: (*pod.value).clone(),
                finished: false,
                node_selector: Default::default(),
                owner: None,
            };
            Draft { value, origin: pod.origin.clone(), raw: pod.raw.clone() }
        });
    }
    for (name, service) in &base.services {
        all.services.entry(name.clone()).or_insert_with(|| {
            let value = ServiceObject {
                service: (*service.value).clone(),
                addressless: base.addressless.contains(name),
                ipv4: Vec::new(),
                single_stack: false,
                node_ports: false,
            };
            Draft { value, origin: service.origin.clone(), raw: service.raw.clone() }
        });
    }
    keep(&mut all.namespaces, &base.namespaces);
    keep(&mut all.nodes, &base.nodes);
    keep(&mut all.slices, &base.slices);
    keep(&mut all.policies, &base.policies);
    keep(&mut all.publications, &base.publications);
    keep(&mut all.mesh, &base.mesh);
    keep(&mut all.rotations, &base.rotations);
    keep(&mut all.revocations, &base.revocations);
}

fn keep<K: Ord + Clone, T: Clone>(
    all: &mut std::collections::BTreeMap<K, Draft<T>>,
    base: &std::collections::BTreeMap<K, Entry<T>>,
) {
    for (name, entry) in base {
        all.entry(name.clone()).or_insert_with(|| Draft {
            value: (*entry.value).clone(),
            origin: entry.origin.clone(),
            raw: entry.raw.clone(),
        });
    }
}

impl Loaded {
    /// Kind and name of the workload that a pod belongs to.
    pub fn owner(&self, pod: &ObjectName) -> Option<(String, String)> {
        self.pods.get(pod)?.raw.owner()
    }

    /// Whether an object is there.
    pub fn contains(&self, kind: Kind, name: &ObjectName) -> bool {
        match kind {
            Kind::Namespace => self.namespaces.contains_key(&name.name),
            Kind::Node => self.nodes.contains_key(&name.name),
            Kind::Pod => self.pods.contains_key(name),
            Kind::Service => self.services.contains_key(name),
            Kind::EndpointSlice => self.slices.contains_key(name),
            Kind::NetworkPolicy => self.policies.contains_key(name),
            Kind::RingfenceNode => self.publications.contains_key(&name.name),
            Kind::RingfenceMesh => self.mesh.contains_key(&name.name),
            Kind::RingfenceRotation => self.rotations.contains_key(&name.name),
            Kind::RingfenceRevocation => self.revocations.contains_key(&name.name),
        }
    }

    /// Removes an object; whether it was there.
    pub fn remove(&mut self, kind: Kind, name: &ObjectName) -> bool {
        match kind {
            Kind::Namespace => self.namespaces.remove(&name.name).is_some(),
            Kind::Node => self.nodes.remove(&name.name).is_some(),
            Kind::Pod => self.pods.remove(name).is_some(),
            Kind::Service => self.services.remove(name).is_some(),
            Kind::EndpointSlice => self.slices.remove(name).is_some(),
            Kind::NetworkPolicy => self.policies.remove(name).is_some(),
            Kind::RingfenceNode => self.publications.remove(&name.name).is_some(),
            Kind::RingfenceMesh => self.mesh.remove(&name.name).is_some(),
            Kind::RingfenceRotation => self.rotations.remove(&name.name).is_some(),
            Kind::RingfenceRevocation => self.revocations.remove(&name.name).is_some(),
        }
    }
}
