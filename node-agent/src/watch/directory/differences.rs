//! What differs between two readings of a directory, as updates.
use super::loaded::{Entry, Loaded};
use crate::model::{ObjectName, Problem};
use crate::watch::{Batch, Kind, Object, Update};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Appends to `batch` what changed, deletions last.
pub(super) fn differences(old: &Loaded, new: &Loaded, batch: &mut Batch) {
    let mut differ =
        Differ { before: grouped(&old.problems), now: grouped(&new.problems), batch, last: Vec::new() };
    let scoped = |name: &String| ObjectName::new("", &**name);
    differ.kind(Kind::Namespace, &old.namespaces, &new.namespaces, scoped, Object::Namespace);
    differ.kind(Kind::Node, &old.nodes, &new.nodes, scoped, Object::Node);
    differ.kind(Kind::Pod, &old.pods, &new.pods, ObjectName::clone, Object::Pod);
    differ.kind(Kind::Service, &old.services, &new.services, ObjectName::clone, Object::Service);
    differ.kind(Kind::EndpointSlice, &old.slices, &new.slices, ObjectName::clone, Object::EndpointSlice);
    differ.kind(Kind::NetworkPolicy, &old.policies, &new.policies, ObjectName::clone, Object::NetworkPolicy);
    differ.kind(Kind::RingfenceNode, &old.publications, &new.publications, scoped, Object::RingfenceNode);
    differ.kind(Kind::RingfenceMesh, &old.mesh, &new.mesh, scoped, Object::RingfenceMesh);
    differ.named(Kind::RingfenceRotation, &old.rotations, &new.rotations, Object::RingfenceRotation);
    differ.named(Kind::RingfenceRevocation, &old.revocations, &new.revocations, Object::RingfenceRevocation);
    differ.refused();
    let mut last = differ.last;
    batch.append(&mut last);
}

type Grouped = BTreeMap<(String, ObjectName), Vec<Problem>>;

fn grouped(problems: &[Problem]) -> Grouped {
    let mut groups = Grouped::new();
    for problem in problems {
        groups.entry((problem.kind.clone(), problem.object.clone())).or_default().push(problem.clone());
    }
    groups
}

struct Differ<'a> {
    before: Grouped,
    now: Grouped,
    batch: &'a mut Batch,
    last: Batch,
}

impl Differ<'_> {
    fn kind<K: Ord, T: PartialEq>(
        &mut self,
        kind: Kind,
        old: &BTreeMap<K, Entry<T>>,
        new: &BTreeMap<K, Entry<T>>,
        name: impl Fn(&K) -> ObjectName,
        object: impl Fn(Arc<T>) -> Object,
    ) {
        self.keyed(kind, old, new, name, |_, value| object(value));
    }

    /// Of a kind whose values do not know their own names.
    fn named<T: PartialEq>(
        &mut self,
        kind: Kind,
        old: &BTreeMap<String, Entry<T>>,
        new: &BTreeMap<String, Entry<T>>,
        object: impl Fn(Arc<str>, Arc<T>) -> Object,
    ) {
        let name = |name: &String| ObjectName::new("", &**name);
        self.keyed(kind, old, new, name, |key, value| object(key.as_str().into(), value));
    }

    fn keyed<K: Ord, T: PartialEq>(
        &mut self,
        kind: Kind,
        old: &BTreeMap<K, Entry<T>>,
        new: &BTreeMap<K, Entry<T>>,
        name: impl Fn(&K) -> ObjectName,
        object: impl Fn(&K, Arc<T>) -> Object,
    ) {
        let troubled = !self.before.is_empty() || !self.now.is_empty();
        for (key, entry) in new {
            let (mut told, mut problems) = (None, None);
            if troubled {
                let id = (kind.to_string(), name(key));
                (told, problems) = (self.before.remove(&id), self.now.remove(&id));
            }
            let moved = |known: &Entry<T>| kind.contradictable() && known.origin != entry.origin;
            let known = old.get(key).is_some_and(|known| known.value == entry.value && !moved(known));
            if !known || told != problems {
                let (object, problems) = (object(key, entry.value.clone()), problems.unwrap_or_default());
                let origin = entry.origin.as_ref().and_then(|origin| origin.of(kind));
                self.batch.push(Update::Applied { object, origin, problems });
            }
        }
        for key in old.keys().filter(|key| !new.contains_key(key)) {
            let name = name(key);
            self.before.remove(&(kind.to_string(), name.clone()));
            self.last.push(Update::Deleted { kind, name });
        }
    }

    /// Objects of which no value could be made: what is left when all that have one are done.
    fn refused(&mut self) {
        let kind_of = |text: &str| Kind::ALL.into_iter().find(|kind| kind.to_string() == text);
        for ((kind, name), problems) in &self.now {
            if let Some(kind) = kind_of(kind)
                && self.before.get(&(kind.to_string(), name.clone())) != Some(problems)
            {
                let (name, problems) = (name.clone(), problems.clone());
                self.last.push(Update::Refused { kind, name, problems });
            }
        }
        for (kind, name) in self.before.keys().filter(|id| !self.now.contains_key(id)) {
            if let Some(kind) = kind_of(kind) {
                self.last.push(Update::Deleted { kind, name: name.clone() });
            }
        }
    }
}
