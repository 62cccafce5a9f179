//! Changes of a few files taken over without looking at the others.
//!
//! Possible where no object's meaning depends on another's: nothing was filled in, and nothing is made because others
//! name it. Anything else is left to a full reading, so this is never more than a short cut to the same result.
use super::gather::{Draft, Gathered, Raw};
use super::items::{Item, Items};
use super::loaded::{Entry, Loaded};
use crate::model::ObjectName;
use crate::watch::object::{PodObject, Read, ServiceObject};
use crate::watch::{Batch, Kind, Object, Update};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Objects to put in place of others, and objects that are gone.
#[derive(Debug)]
pub(super) struct Patch {
    put: Vec<Item>,
    gone: BTreeSet<(Kind, ObjectName)>,
}

/// Whether every object is complete as it was read, and every node and namespace declared.
pub(super) fn is_independent(all: &Gathered) -> bool {
    let mut names =
        all.pods.keys().chain(all.services.keys()).chain(all.slices.keys()).chain(all.policies.keys());
    all.workloads.is_empty()
        && all.endpoints.is_empty()
        && all.problems.is_empty()
        && !all.nodes.is_empty()
        && all.nodes.values().all(complete_node)
        && all.pods.values().all(|p| complete_pod(&p.value, |node| all.nodes.contains_key(node)))
        && all.services.values().all(|s| complete_service(&s.value))
        && names.all(|name| all.namespaces.contains_key(&name.namespace))
}

/// The patch that replaces the objects of some files (`old`) by others (`new`), if they are such that a patch will do.
pub(super) fn find(last: &Loaded, old: &[Arc<Items>], new: &[Arc<Items>]) -> Option<Patch> {
    let mut gone: BTreeSet<(Kind, ObjectName)> = BTreeSet::new();
    for item in old.iter().flat_map(|items| &items.items) {
        gone.insert(key(item)?);
    }
    let mut put: BTreeMap<(Kind, ObjectName), Item> = BTreeMap::new();
    for item in new.iter().flat_map(|items| &items.items) {
        let key = key(item)?;
        let (kind, name) = &key;
        // In another file that is not read here, it is there twice.
        let elsewhere = !gone.contains(&key) && last.contains(*kind, name);
        let homeless = kind.namespaced() && !last.namespaces.contains_key(&name.namespace);
        if elsewhere || homeless || !item.reading.findings.is_empty() || put.contains_key(&key) {
            return None;
        }
        match item.reading.read.as_ref()? {
            Read::Pod(pod) if complete_pod(pod, |node| last.nodes.contains_key(node)) => {}
            Read::Service(service) if complete_service(service) => {}
            Read::Pod(_) | Read::Service(_) | Read::Node(_) | Read::Workload(_) | Read::Endpoints(_) => {
                return None;
            }
            _ => {}
        }
        put.insert(key, item.clone());
    }
    gone.retain(|key| !put.contains_key(key));
    // Others may be in a namespace that goes.
    if gone.iter().any(|(kind, _)| *kind == Kind::Namespace) {
        return None;
    }
    // What is passed over is only counted, in the summary of a full reading.
    Some(Patch { put: put.into_values().collect(), gone })
}

impl Patch {
    /// Changes `last`, and says what changed; deletions last.
    pub(super) fn apply(self, last: &mut Loaded) -> Batch {
        let mut batch = Batch::new();
        for item in self.put {
            let name = item.reading.name.clone();
            let object = match item.reading.read.clone() {
                Some(Read::Namespace(v)) => {
                    put(&mut last.namespaces, name.name, v, &item).map(Object::Namespace)
                }
                Some(Read::Pod(v)) => put(&mut last.pods, name, v.pod, &item).map(Object::Pod),
                Some(Read::EndpointSlice(v)) => {
                    put(&mut last.slices, name, v, &item).map(Object::EndpointSlice)
                }
                Some(Read::NetworkPolicy(v)) => {
                    put(&mut last.policies, name, v, &item).map(Object::NetworkPolicy)
                }
                Some(Read::RingfenceNode(v)) => {
                    put(&mut last.publications, name.name, *v, &item).map(Object::RingfenceNode)
                }
                Some(Read::RingfenceMesh(v)) => {
                    put(&mut last.mesh, name.name, v, &item).map(Object::RingfenceMesh)
                }
                Some(Read::RingfenceRotation(v)) => {
                    let key: Arc<str> = name.name.as_str().into();
                    put(&mut last.rotations, name.name, v, &item)
                        .map(|value| Object::RingfenceRotation(key, value))
                }
                Some(Read::RingfenceRevocation(v)) => {
                    let key: Arc<str> = name.name.as_str().into();
                    put(&mut last.revocations, name.name, v, &item)
                        .map(|value| Object::RingfenceRevocation(key, value))
                }
                Some(Read::Service(v)) => {
                    last.addressless.remove(&name);
                    last.addressless.extend(v.addressless.then(|| name.clone()));
                    put(&mut last.services, name, v.service, &item).map(Object::Service)
                }
                Some(Read::Node(_) | Read::Workload(_) | Read::Endpoints(_)) | None => None,
            };
            batch.extend(object.map(|object| {
                let origin = item.origin.of(object.kind());
                Update::Applied { object, origin, problems: Vec::new() }
            }));
        }
        for (kind, name) in self.gone {
            if last.remove(kind, &name) {
                batch.push(Update::Deleted { kind, name });
            }
        }
        batch
    }
}

/// Kind and name of an object that a patch can handle.
fn key(item: &Item) -> Option<(Kind, ObjectName)> {
    let kind = match item.reading.read.as_ref()? {
        Read::Namespace(_) => Kind::Namespace,
        Read::Pod(_) => Kind::Pod,
        Read::Service(_) => Kind::Service,
        Read::EndpointSlice(_) => Kind::EndpointSlice,
        Read::NetworkPolicy(_) => Kind::NetworkPolicy,
        Read::RingfenceNode(_) => Kind::RingfenceNode,
        Read::RingfenceMesh(_) => Kind::RingfenceMesh,
        Read::RingfenceRotation(_) => Kind::RingfenceRotation,
        Read::RingfenceRevocation(_) => Kind::RingfenceRevocation,
        Read::Node(_) | Read::Workload(_) | Read::Endpoints(_) => return None,
    };
    Some((kind, item.reading.name.clone()))
}

fn put<K: Ord, T: PartialEq>(
    map: &mut BTreeMap<K, Entry<T>>,
    key: K,
    value: T,
    item: &Item,
) -> Option<Arc<T>> {
    let value = Arc::new(value);
    let raw = Raw::Object(item.value.clone());
    let entry = Entry { value: value.clone(), origin: Some(item.origin.clone()), raw };
    let before = map.insert(key, entry);
    before.is_none_or(|before| before.value != value).then_some(value)
}

fn complete_pod(pod: &PodObject, is_node: impl Fn(&str) -> bool) -> bool {
    let node = pod.pod.node.as_deref();
    !pod.finished && node.is_some_and(is_node) && !pod.pod.addresses.is_empty() && !pod.pod.uid.is_empty()
}

fn complete_service(service: &ServiceObject) -> bool {
    let ports = &service.service.ports;
    let numbered = !service.node_ports || ports.iter().all(|port| port.node_port.is_some());
    service.addressless || (!service.service.cluster_ips.is_empty() && numbered)
}

fn complete_node(node: &Draft<crate::model::Node>) -> bool {
    !node.value.addresses.is_empty() && !node.value.pod_cidrs.is_empty()
}
