//! Profiles: what the policies that select a local pod allow in one direction, shared by the pods that have the same.
use super::classes::ClassKey;
use super::mistake::{Mistake, Seeded};
use super::named::{Features, resolve};
use super::ports::{PortUnion, RulePorts};
use super::rules::Direction;
use super::selection::Selections;
use super::sets::Sets;
use crate::model::{ObjectName, Pod, Protocol};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// What pods must have in common to share a profile.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct ProfileKey {
    pub(super) direction: Direction,
    /// Numbers of the policies that isolate it in this direction, ascending.
    policies: Vec<u32>,
    /// Ingress: what the named ports of their rules resolve to on this pod.
    named: Vec<(Protocol, String, u16)>,
}

/// One profile.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) key: ProfileKey,
    rules: Vec<ProfileRule>,
    /// Indexes of the rules that match everything.
    any: Vec<u32>,
    by_matcher: HashMap<u32, Vec<u32>>,
}

#[derive(Debug)]
struct ProfileRule {
    policy: ObjectName,
    index: usize,
    ports: Arc<RulePorts>,
}

/// Profiles by number; a number is never given again.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    by_key: HashMap<ProfileKey, u32>,
    by_id: BTreeMap<u32, Profile>,
}

/// What happened to profiles.
#[derive(Debug, Default)]
pub(super) struct ProfileChanges {
    /// New ones, and those whose rules changed.
    pub(super) dirty: HashSet<u32>,
    pub(super) gone: HashSet<u32>,
}

/// What a class is made of, to be asked by its members.
#[derive(Clone, Copy)]
pub(super) struct Vocabulary<'a> {
    pub(super) sets: &'a Sets,
    pub(super) features: &'a Features,
}

impl Profiles {
    /// The number of the profile with this key.
    pub(super) fn number(&self, key: &ProfileKey) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    pub(super) fn get(&self, id: u32) -> Option<&Profile> {
        self.by_id.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Profile)> {
        self.by_id.iter().map(|(id, profile)| (*id, profile))
    }

    /// Keeps exactly the wanted ones, and rebuilds those with a policy among `changed`.
    pub(super) fn update(
        &mut self,
        wanted: BTreeSet<ProfileKey>,
        changed: &HashSet<u32>,
        selections: &Selections,
        next: &mut u32,
    ) -> ProfileChanges {
        let mut changes = ProfileChanges::default();
        self.by_key.retain(|key, id| {
            let keep = wanted.contains(key);
            if !keep {
                changes.gone.insert(*id);
            }
            keep
        });
        self.by_id.retain(|id, _| !changes.gone.contains(id));
        for key in wanted {
            let id = self.by_key.get(&key).copied();
            if id.is_some() && !key.policies.iter().any(|p| changed.contains(p)) {
                continue;
            }
            let id = id.unwrap_or_else(|| {
                *next += 1;
                *next - 1
            });
            changes.dirty.insert(id);
            self.by_key.insert(key.clone(), id);
            self.by_id.insert(id, Profile::new(key, selections));
        }
        changes
    }
}

impl ProfileKey {
    /// For a local pod; `None` if no policy isolates it in this direction.
    pub(super) fn of(
        pod: &Pod,
        direction: Direction,
        selections: &Selections,
        seeded: Seeded,
    ) -> Option<Self> {
        let isolating = |id: &u32| selections.get(*id).is_some_and(|p| p.rules(direction).is_some());
        let mut policies: Vec<u32> = selections.of(&pod.name).iter().copied().filter(isolating).collect();
        if seeded.makes(Mistake::FirstPolicyOnly) {
            policies.truncate(1);
        }
        let mut named = Vec::new();
        if direction == Direction::Ingress || seeded.makes(Mistake::NamedPortOfSource) {
            let rules = policies.iter().filter_map(|id| selections.get(*id)?.rules(direction)).flatten();
            for (protocol, name) in rules.flat_map(|rule| &rule.ports.named) {
                named.extend(resolve(pod, *protocol, name, seeded).map(|p| (*protocol, name.clone(), p)));
            }
            named.sort_unstable();
            named.dedup();
        }
        (!policies.is_empty()).then_some(Self { direction, policies, named })
    }
}

impl Profile {
    fn new(key: ProfileKey, selections: &Selections) -> Self {
        let mut profile = Self { key, rules: Vec::new(), any: Vec::new(), by_matcher: HashMap::new() };
        for id in &profile.key.policies {
            let Some(compiled) = selections.get(*id) else { continue };
            for (index, rule) in compiled.rules(profile.key.direction).into_iter().flatten().enumerate() {
                let number = u32::try_from(profile.rules.len()).unwrap_or(u32::MAX);
                let (policy, ports) = (compiled.policy.name.clone(), rule.ports.clone());
                profile.rules.push(ProfileRule { policy, index, ports });
                if rule.any {
                    profile.any.push(number);
                }
                for matcher in &rule.matchers {
                    profile.by_matcher.entry(*matcher).or_default().push(number);
                }
            }
        }
        profile
    }

    /// Indexes of the rules one of whose peers matches the class, ascending.
    pub(super) fn matching(&self, class: ClassKey, sets: &Sets) -> Vec<u32> {
        let members = sets.get(class.pods).iter().chain(sets.get(class.blocks));
        let by_peer = members.filter_map(|matcher| self.by_matcher.get(matcher)).flatten();
        let mut rules: Vec<u32> = self.any.iter().chain(by_peer).copied().collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    /// The ports of these rules together, towards a destination with these features.
    pub(super) fn ports(&self, rules: &[u32], features: u32, words: Vocabulary<'_>) -> PortUnion {
        let mut union = PortUnion::default();
        for rule in rules.iter().filter_map(|i| self.rules.get(*i as usize)) {
            union.add(&rule.ports, |protocol, name| self.resolve(protocol, name, features, words));
        }
        union
    }

    /// The policies and rules that let this class through to this port; the policies' rules by their own index.
    pub(super) fn deciders(
        &self,
        class: ClassKey,
        (protocol, port): (Protocol, u16),
        words: Vocabulary<'_>,
    ) -> Vec<(ObjectName, usize)> {
        let rules = self.matching(class, words.sets).into_iter();
        let decides = |i: &u32| self.ports(&[*i], class.features, words).has(protocol, port);
        let deciding = rules.filter(decides).filter_map(|i| self.rules.get(i as usize));
        let mut found: Vec<_> = deciding.map(|rule| (rule.policy.clone(), rule.index)).collect();
        found.sort();
        found
    }

    /// The policies that isolate, by name.
    pub(super) fn policies(&self, selections: &Selections) -> Vec<ObjectName> {
        let name = |id: &u32| selections.get(*id).map(|p| p.policy.name.clone());
        let mut names: Vec<_> = self.key.policies.iter().filter_map(name).collect();
        names.sort();
        names
    }

    fn resolve(&self, protocol: Protocol, name: &str, features: u32, words: Vocabulary<'_>) -> Vec<u16> {
        let same = |(p, n, port): &(Protocol, String, u16)| (*p == protocol && n == name).then_some(*port);
        let of_pod = self.key.named.iter().filter_map(same);
        if self.key.direction == Direction::Ingress || !self.key.named.is_empty() {
            return of_pod.collect();
        }
        let of_peer = words.sets.get(features).iter().filter_map(|id| words.features.get(*id));
        of_peer.filter_map(same).collect()
    }
}
