//! Which policies select which local pods, and those policies compiled.
use super::delta::Change;
use super::matcher::Matchers;
use super::mistake::{Mistake, Seeded};
use super::named::Features;
use super::rules::CompiledPolicy;
use super::selector::selects;
use crate::model::{Labels, NetworkPolicy, ObjectName, Pod};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Policies that select a local pod, under numbers that stay with their names while they do.
#[derive(Debug, Default)]
pub(super) struct Selections {
    by_pod: HashMap<ObjectName, Selected>,
    numbers: HashMap<ObjectName, u32>,
    active: BTreeMap<u32, Active>,
    last: u32,
}

#[derive(Debug)]
struct Selected {
    labels: Arc<Labels>,
    policies: Vec<u32>,
}

#[derive(Debug)]
struct Active {
    compiled: CompiledPolicy,
    users: usize,
}

/// What compiling a policy needs of the others.
pub(super) struct Parts<'a> {
    pub(super) matchers: &'a mut Matchers,
    pub(super) features: &'a mut Features,
    pub(super) seeded: Seeded,
}

impl Selections {
    /// Brings everything up to date; returns the numbers of policies that are not what they were.
    pub(super) fn update(
        &mut self,
        pods: &BTreeMap<ObjectName, Arc<Pod>>,
        policies: &BTreeMap<ObjectName, Arc<NetworkPolicy>>,
        changes: &[Change<ObjectName, NetworkPolicy>],
        parts: &mut Parts<'_>,
    ) -> HashSet<u32> {
        let mut dirty = HashSet::new();
        for change in changes {
            if let (Some(new), Some(id)) = (&change.new, self.numbers.get(&change.key).copied()) {
                self.replace(id, new, parts);
                dirty.insert(id);
            }
        }
        for (name, pod) in pods {
            let known = self.by_pod.get(name).is_some_and(|s| s.labels == pod.labels);
            if known {
                self.adjust(pod, changes, parts);
            } else {
                self.select(pod, policies, parts);
            }
        }
        let gone: Vec<_> = self.by_pod.keys().filter(|name| !pods.contains_key(*name)).cloned().collect();
        for name in gone {
            let selected = self.by_pod.remove(&name);
            selected.iter().flat_map(|s| &s.policies).for_each(|id| self.release(*id));
        }
        self.settle(parts);
        dirty
    }

    /// The policies that select a local pod, ascending by number.
    pub(super) fn of(&self, pod: &ObjectName) -> &[u32] {
        self.by_pod.get(pod).map_or(&[], |s| &s.policies)
    }

    pub(super) fn get(&self, id: u32) -> Option<&CompiledPolicy> {
        self.active.get(&id).map(|a| &a.compiled)
    }

    /// Asks every policy of the pod's namespace.
    fn select(
        &mut self,
        pod: &Pod,
        policies: &BTreeMap<ObjectName, Arc<NetworkPolicy>>,
        parts: &mut Parts<'_>,
    ) {
        let first = match parts.seeded.makes(Mistake::PolicySelectsEverywhere) {
            true => ObjectName::new("", ""),
            false => ObjectName::new(&pod.name.namespace, ""),
        };
        let near = policies.range(first..).take_while(|(name, _)| in_scope(name, pod, parts.seeded));
        let chosen: Vec<_> =
            near.filter(|(_, p)| selects(&p.selector, &pod.labels, parts.seeded)).map(|(_, p)| p).collect();
        let mut ids: Vec<u32> = chosen.into_iter().map(|p| self.acquire(p, parts)).collect();
        ids.sort_unstable();
        let selected = Selected { labels: pod.labels.clone(), policies: ids };
        let old = self.by_pod.insert(pod.name.clone(), selected);
        old.iter().flat_map(|s| &s.policies).for_each(|id| self.release(*id));
    }

    /// Asks those that changed.
    fn adjust(&mut self, pod: &Pod, changes: &[Change<ObjectName, NetworkPolicy>], parts: &mut Parts<'_>) {
        let seeded = parts.seeded;
        for change in changes.iter().filter(|c| in_scope(&c.key, pod, seeded)) {
            let wanted = change.new.as_ref().filter(|p| selects(&p.selector, &pod.labels, seeded));
            let number = self.numbers.get(&change.key).copied();
            let place = number.map(|id| self.of(&pod.name).binary_search(&id));
            match (wanted, place, number) {
                (Some(policy), None | Some(Err(_)), _) => {
                    let id = self.acquire(policy, parts);
                    if let Some(selected) = self.by_pod.get_mut(&pod.name) {
                        let at = selected.policies.partition_point(|other| *other < id);
                        selected.policies.insert(at, id);
                    }
                }
                (None, Some(Ok(at)), Some(id)) => {
                    if let Some(selected) = self.by_pod.get_mut(&pod.name) {
                        selected.policies.remove(at);
                    }
                    self.release(id);
                }
                _ => {}
            }
        }
    }

    fn acquire(&mut self, policy: &Arc<NetworkPolicy>, parts: &mut Parts<'_>) -> u32 {
        if let Some(id) = self.numbers.get(&policy.name)
            && let Some(active) = self.active.get_mut(id)
        {
            active.users += 1;
            return *id;
        }
        self.last += 1;
        let compiled = CompiledPolicy::new(policy, parts.matchers, parts.features, parts.seeded);
        self.active.insert(self.last, Active { compiled, users: 1 });
        self.numbers.insert(policy.name.clone(), self.last);
        self.last
    }

    fn release(&mut self, id: u32) {
        if let Some(active) = self.active.get_mut(&id) {
            active.users = active.users.saturating_sub(1);
        }
    }

    /// Another content under the same number. The new one takes what it needs before the old one gives it up.
    fn replace(&mut self, id: u32, policy: &Arc<NetworkPolicy>, parts: &mut Parts<'_>) {
        if let Some(active) = self.active.get_mut(&id) {
            let new = CompiledPolicy::new(policy, parts.matchers, parts.features, parts.seeded);
            std::mem::replace(&mut active.compiled, new).release(parts.matchers, parts.features);
        }
    }

    /// Lets go of policies that select nobody here any more.
    fn settle(&mut self, parts: &mut Parts<'_>) {
        let idle: Vec<u32> = self.active.iter().filter(|(_, a)| a.users == 0).map(|(id, _)| *id).collect();
        for active in idle.iter().filter_map(|id| self.active.remove(id)) {
            active.compiled.release(parts.matchers, parts.features);
            self.numbers.remove(&active.compiled.policy.name);
        }
    }
}

fn in_scope(policy: &ObjectName, pod: &Pod, seeded: Seeded) -> bool {
    policy.namespace == pod.name.namespace || seeded.makes(Mistake::PolicySelectsEverywhere)
}
