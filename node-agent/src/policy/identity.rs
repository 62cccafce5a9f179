//! Which pod matchers a pod satisfies. Asked once for all pods of a namespace with the same labels.
use super::matcher::{Matcher, MatcherChanges, Matchers};
use super::mistake::{Mistake, Seeded};
use super::selector::selects;
use super::sets::Sets;
use crate::model::{LabelSelector, Labels, Namespace, NamespaceMatch};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

type Namespaces = BTreeMap<String, Arc<Namespace>>;

/// Matcher sets by namespace and labels.
#[derive(Debug, Default)]
pub(super) struct Identities {
    spaces: HashMap<String, Space>,
    /// Labels known, and how many were the last time that unused ones were thrown out.
    known: usize,
    swept: usize,
}

#[derive(Debug)]
struct Space {
    /// `None` if the namespace is not known (yet): then no namespaceSelector that asks for anything matches it.
    labels: Option<Arc<Labels>>,
    /// The matchers whose namespace part holds here.
    candidates: Vec<(u32, Arc<Matcher>)>,
    /// By the labels' place in memory, which stays taken while they are held here.
    identities: HashMap<usize, (Arc<Labels>, u32)>,
}

impl Identities {
    /// The number of the set of matchers that a pod of this namespace with these labels satisfies.
    pub(super) fn set_of(
        &mut self,
        (namespace, labels): (&str, &Arc<Labels>),
        namespaces: &Namespaces,
        matchers: &Matchers,
        sets: &mut Sets,
        seeded: Seeded,
    ) -> u32 {
        if !self.spaces.contains_key(namespace) {
            let own = namespaces.get(namespace).map(|n| n.labels.clone());
            let here = |m: &Arc<Matcher>| in_namespace(m, namespace, own.as_deref(), seeded);
            let candidates =
                matchers.iter().filter(|(_, m)| here(m)).map(|(id, m)| (id, m.clone())).collect();
            let space = Space { labels: own, candidates, identities: HashMap::new() };
            self.spaces.insert(namespace.to_owned(), space);
        }
        let Some(space) = self.spaces.get_mut(namespace) else { return super::sets::EMPTY };
        let key = Arc::as_ptr(labels) as usize;
        if let Some((_, set)) = space.identities.get(&key) {
            return *set;
        }
        let satisfied = space.candidates.iter().filter(|(_, m)| {
            pod_matches(m, labels, seeded)
                || (alternatives(m, seeded)
                    && in_namespace(m, namespace, space.labels.as_deref(), Seeded::default()))
        });
        let set = sets.intern(satisfied.map(|(id, _)| *id).collect());
        space.identities.insert(key, (labels.clone(), set));
        self.known += 1;
        set
    }

    /// Takes in which matchers came and went.
    pub(super) fn update(&mut self, changes: &MatcherChanges, sets: &mut Sets, seeded: Seeded) {
        if seeded.makes(Mistake::SelectorsAreAlternatives) {
            self.spaces.clear();
        }
        for (name, space) in &mut self.spaces {
            let own = space.labels.as_deref();
            let added: Vec<_> =
                changes.added.iter().filter(|(_, m)| in_namespace(m, name, own, seeded)).cloned().collect();
            let gone = |id: &u32| changes.removed.iter().any(|(removed, _)| removed == id);
            let before = space.candidates.len();
            space.candidates.retain(|(id, _)| !gone(id));
            if added.is_empty() && before == space.candidates.len() {
                continue;
            }
            for (labels, set) in space.identities.values_mut() {
                let old = sets.get(*set);
                let mut new: Vec<u32> = old.iter().copied().filter(|id| !gone(id)).collect();
                new.extend(added.iter().filter(|(_, m)| pod_matches(m, labels, seeded)).map(|(id, _)| *id));
                if new != old {
                    *set = sets.intern(new);
                }
            }
            space.candidates.extend(added);
        }
        self.sweep();
    }

    /// Forgets a namespace whose labels changed.
    pub(super) fn forget_namespace(&mut self, namespace: &str) {
        self.spaces.remove(namespace);
    }

    /// The numbers of the sets held here.
    pub(super) fn sets_in_use(&self) -> impl Iterator<Item = u32> {
        self.spaces.values().flat_map(|space| space.identities.values().map(|(_, set)| *set))
    }

    /// Throws out labels that nobody else holds, whenever they may have become as many as the others.
    pub(super) fn sweep(&mut self) {
        if self.known < 2 * self.swept + 1024 {
            return;
        }
        for space in self.spaces.values_mut() {
            space.identities.retain(|_, (labels, _)| Arc::strong_count(labels) > 1);
        }
        self.spaces.retain(|_, space| !space.identities.is_empty());
        self.swept = self.spaces.values().map(|space| space.identities.len()).sum();
        self.known = self.swept;
    }
}

fn in_namespace(matcher: &Matcher, namespace: &str, labels: Option<&Labels>, seeded: Seeded) -> bool {
    match matcher {
        Matcher::Pods(NamespaceMatch::Named(_), _) if seeded.makes(Mistake::BareSelectorEverywhere) => true,
        Matcher::Pods(..) if alternatives(matcher, seeded) => true,
        Matcher::Pods(NamespaceMatch::Named(name), _) => name == namespace,
        Matcher::Pods(NamespaceMatch::Selected(selector), _) => match labels {
            Some(labels) => selects(selector, labels, seeded),
            None => *selector == LabelSelector::default(),
        },
        Matcher::Block(_) => false,
    }
}

fn alternatives(matcher: &Matcher, seeded: Seeded) -> bool {
    let all = LabelSelector::default();
    seeded.makes(Mistake::SelectorsAreAlternatives)
        && matches!(matcher, Matcher::Pods(NamespaceMatch::Selected(n), p) if *n != all && *p != all)
}

fn pod_matches(matcher: &Matcher, labels: &Labels, seeded: Seeded) -> bool {
    matches!(matcher, Matcher::Pods(_, selector) if selects(selector, labels, seeded))
}
