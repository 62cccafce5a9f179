//! The index of everything the sources said. Pure: the task around it receives batches and sends snapshots on.
use super::Snapshot;
use crate::model::{ObjectName, Problem};
use crate::watch::{Kind, Object, Update};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Takes updates in, gives snapshots out.
///
/// Before every kind has synced there is no snapshot, so nothing is programmed of a world known in part. Snapshots share
/// what did not change: a map without a change is the same `Arc`, a value without one too.
#[derive(Debug, Default)]
pub struct Index {
    /// What is known so far; its problems are filled in when it is published.
    known: Snapshot,
    published: Option<Arc<Snapshot>>,
    changed: bool,
    synced: BTreeSet<Kind>,
    /// While a kind is listed again: what was mentioned since.
    listing: BTreeMap<Kind, BTreeSet<ObjectName>>,
    problems: BTreeMap<(Kind, ObjectName), Vec<Problem>>,
    source_problems: Vec<Problem>,
}

impl Index {
    /// Takes an update in; whether it changed anything.
    pub fn apply(&mut self, update: Update) -> bool {
        let changed = match update {
            Update::Applied { object, origin, problems } => {
                let (kind, name) = (object.kind(), object.name());
                self.mention(kind, &name);
                let problems = self.set_problems(kind, &name, problems);
                let moved = self.set_origin(kind, &name, origin);
                self.put(object) || problems || moved
            }
            Update::Refused { kind, name, problems } => {
                self.mention(kind, &name);
                self.set_problems(kind, &name, problems)
            }
            Update::Deleted { kind, name } => {
                if let Some(mentioned) = self.listing.get_mut(&kind) {
                    mentioned.remove(&name);
                }
                self.delete(kind, &name)
            }
            Update::Restarted(kind) => {
                self.listing.insert(kind, BTreeSet::new());
                false
            }
            Update::Synced(kind) => {
                let mentioned = self.listing.remove(&kind);
                let swept = mentioned.is_some_and(|mentioned| self.sweep(kind, &mentioned));
                self.synced.insert(kind) || swept
            }
            Update::Version(version) => self.known.version.replace(version) != Some(version),
            Update::Source { problems } => {
                let differs = self.source_problems != problems;
                self.source_problems = problems;
                differs
            }
        };
        self.changed |= changed;
        changed
    }

    /// Takes a batch in; whether it changed anything.
    pub fn apply_all(&mut self, batch: impl IntoIterator<Item = Update>) -> bool {
        batch.into_iter().fold(false, |changed, update| self.apply(update) | changed)
    }

    /// The world as known now: the same one, with the same revision, as long as nothing changes. `None` until every
    /// kind has synced; [`Self::waiting_for`] says which have not.
    pub fn snapshot(&mut self) -> Option<Arc<Snapshot>> {
        if !self.waiting_for().is_empty() {
            return None;
        }
        if self.changed || self.published.is_none() {
            self.changed = false;
            self.known.revision += 1;
            let problems = self.problems();
            if *self.known.problems != problems {
                self.known.problems = Arc::new(problems);
            }
            self.published = Some(Arc::new(self.known.clone()));
        }
        self.published.clone()
    }

    /// The kinds that have not synced yet.
    pub fn waiting_for(&self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| !self.synced.contains(kind)).collect()
    }

    /// Everything that could not be taken as written; also while there is no snapshot.
    pub fn problems(&self) -> Vec<Problem> {
        self.source_problems.iter().chain(self.problems.values().flatten()).cloned().collect()
    }

    fn mention(&mut self, kind: Kind, name: &ObjectName) {
        if let Some(mentioned) = self.listing.get_mut(&kind) {
            mentioned.insert(name.clone());
        }
    }

    fn set_problems(&mut self, kind: Kind, name: &ObjectName, problems: Vec<Problem>) -> bool {
        let key = (kind, name.clone());
        if problems.is_empty() {
            return self.problems.remove(&key).is_some();
        }
        self.problems.insert(key, problems.clone()) != Some(problems)
    }

    fn set_origin(&mut self, kind: Kind, name: &ObjectName, origin: Option<Arc<str>>) -> bool {
        let key = (kind, name.name.clone());
        if !kind.contradictable() || self.known.origins.get(&key) == origin.as_ref() {
            return false;
        }
        let origins = Arc::make_mut(&mut self.known.origins);
        match origin {
            Some(origin) => _ = origins.insert(key, origin),
            None => _ = origins.remove(&key),
        }
        true
    }

    fn put(&mut self, object: Object) -> bool {
        let name = object.name();
        match object {
            Object::Namespace(value) => put(&mut self.known.namespaces, name.name, value),
            Object::Node(value) => put(&mut self.known.nodes, name.name, value),
            Object::Pod(value) => put(&mut self.known.pods, name, value),
            Object::Service(value) => put(&mut self.known.services, name, value),
            Object::EndpointSlice(value) => put(&mut self.known.slices, name, value),
            Object::NetworkPolicy(value) => put(&mut self.known.policies, name, value),
            Object::RingfenceNode(value) => put(&mut self.known.publications, name.name, value),
            Object::RingfenceMesh(value) => put(&mut self.known.mesh, name.name, value),
            Object::RingfenceRotation(_, value) => put(&mut self.known.rotations, name.name, value),
            Object::RingfenceRevocation(_, value) => put(&mut self.known.revocations, name.name, value),
        }
    }

    fn delete(&mut self, kind: Kind, name: &ObjectName) -> bool {
        let problems = self.problems.remove(&(kind, name.clone())).is_some();
        self.set_origin(kind, name, None);
        let known = &mut self.known;
        let removed = match kind {
            Kind::Namespace => remove(&mut known.namespaces, &name.name),
            Kind::Node => remove(&mut known.nodes, &name.name),
            Kind::Pod => remove(&mut known.pods, name),
            Kind::Service => remove(&mut known.services, name),
            Kind::EndpointSlice => remove(&mut known.slices, name),
            Kind::NetworkPolicy => remove(&mut known.policies, name),
            Kind::RingfenceNode => remove(&mut known.publications, &name.name),
            Kind::RingfenceMesh => remove(&mut known.mesh, &name.name),
            Kind::RingfenceRotation => remove(&mut known.rotations, &name.name),
            Kind::RingfenceRevocation => remove(&mut known.revocations, &name.name),
        };
        removed || problems
    }

    /// Deletes the objects of a kind that a new list did not mention.
    fn sweep(&mut self, kind: Kind, mentioned: &BTreeSet<ObjectName>) -> bool {
        let cluster_scoped =
            |names: Vec<&String>| names.into_iter().map(|n| ObjectName::new("", &**n)).collect();
        let known = &self.known;
        let mut names: Vec<ObjectName> = match kind {
            Kind::Namespace => cluster_scoped(known.namespaces.keys().collect()),
            Kind::Node => cluster_scoped(known.nodes.keys().collect()),
            Kind::RingfenceNode => cluster_scoped(known.publications.keys().collect()),
            Kind::RingfenceMesh => cluster_scoped(known.mesh.keys().collect()),
            Kind::RingfenceRotation => cluster_scoped(known.rotations.keys().collect()),
            Kind::RingfenceRevocation => cluster_scoped(known.revocations.keys().collect()),
            Kind::Pod => known.pods.keys().cloned().collect(),
            Kind::Service => known.services.keys().cloned().collect(),
            Kind::EndpointSlice => known.slices.keys().cloned().collect(),
            Kind::NetworkPolicy => known.policies.keys().cloned().collect(),
        };
        // A refused object may be known by its problem alone.
        names.extend(self.problems.keys().filter(|(k, _)| *k == kind).map(|(_, name)| name.clone()));
        names.retain(|name| !mentioned.contains(name));
        names.iter().fold(false, |changed, name| self.delete(kind, name) | changed)
    }
}

type Map<K, V> = Arc<BTreeMap<K, Arc<V>>>;

fn put<K: Ord + Clone, V: PartialEq>(map: &mut Map<K, V>, key: K, value: Arc<V>) -> bool {
    if map.get(&key).is_some_and(|known| Arc::ptr_eq(known, &value) || *known == value) {
        return false;
    }
    Arc::make_mut(map).insert(key, value);
    true
}

fn remove<K: Ord + Clone, V>(map: &mut Map<K, V>, key: &K) -> bool {
    map.contains_key(key) && Arc::make_mut(map).remove(key).is_some()
}
