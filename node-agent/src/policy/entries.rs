//! The policy table: for each profile and class, the ports.
use super::classes::{ClassKey, Member, Settled};
use super::compiler::Compiler;
use super::effort;
use super::mistake::Mistake;
use super::profiles::{Profile, ProfileChanges, Vocabulary};
use super::rules::Direction;
use super::tables::Tables;
use ringfence_abi::{PolicyKey, PolicyValue};
use std::collections::HashMap;

const EVERY: PolicyValue = PolicyValue {
    tcp: PolicyValue::ALL,
    udp: PolicyValue::ALL,
    sctp: PolicyValue::ALL,
    other: PolicyValue::ALL,
};

impl Compiler {
    /// Brings the entries of every profile for every peer class up to date.
    pub(super) fn refresh_policy(&mut self, tables: &mut Tables, profiles: &ProfileChanges) {
        let Settled { fresh, gone } = self.classes.settle();
        self.forget_entries(tables, profiles, &gone);
        let all: Vec<(u32, ClassKey)> = self.classes.iter().map(|(id, key)| (id, *key)).collect();
        let new: Vec<(u32, ClassKey)> =
            fresh.iter().filter_map(|id| Some((*id, *self.classes.get(*id)?))).collect();
        let ids: Vec<u32> = self.profiles.iter().map(|(id, _)| id).collect();
        for id in ids {
            let classes = if profiles.dirty.contains(&id) { &all } else { &new };
            self.fill(tables, id, classes);
        }
    }

    /// The same for the classes of Services, which stand on the others.
    pub(super) fn refresh_service_policy(&mut self, tables: &mut Tables, profiles: &ProfileChanges) {
        let Settled { fresh, gone } = self.service_classes.settle();
        self.forget_entries(tables, &ProfileChanges::default(), &gone);
        let fresh: Vec<(u32, &Vec<Member>)> =
            fresh.iter().filter_map(|id| Some((*id, self.service_classes.get(*id)?))).collect();
        let egress = self.profiles.iter().filter(|(_, p)| p.key.direction == Direction::Egress);
        let mut entries = Vec::new();
        for (id, _) in egress {
            let every = profiles.dirty.contains(&id).then(|| self.service_classes.iter());
            let new = every.is_none().then(|| fresh.iter().copied());
            for (class, members) in every.into_iter().flatten().chain(new.into_iter().flatten()) {
                effort::spend(members.len());
                let may = |(class, port, protocol): &Member| tables.permits(id, *class, *protocol, *port);
                let allowed = match self.seeded.makes(Mistake::AnyBackendSuffices) {
                    true => members.iter().any(may),
                    false => members.iter().all(may),
                };
                entries.push((PolicyKey { profile: id, class }, allowed.then_some(EVERY)));
            }
        }
        for (key, value) in entries {
            self.set_entry(tables, key, value);
        }
    }

    fn fill(&mut self, tables: &mut Tables, id: u32, classes: &[(u32, ClassKey)]) {
        let Some(profile) = self.profiles.get(id) else { return };
        let words = Vocabulary { sets: &self.sets, features: &self.features };
        let mut seen: HashMap<(Vec<u32>, u32), Option<PolicyValue>> = HashMap::new();
        let mut entries = Vec::with_capacity(classes.len());
        for (class, key) in classes {
            let rules = profile.matching(*key, words.sets);
            let value = match seen.get(&(rules.clone(), key.features)) {
                Some(value) => *value,
                None => {
                    let value = value(profile, &rules, key.features, words, &mut self.bitmaps);
                    seen.insert((rules, key.features), value);
                    value
                }
            };
            entries.push((PolicyKey { profile: id, class: *class }, value));
        }
        for (key, value) in entries {
            self.set_entry(tables, key, value);
        }
    }

    fn set_entry(&mut self, tables: &mut Tables, key: PolicyKey, value: Option<PolicyValue>) {
        if let Some(value) = &value {
            self.bitmaps.retain(value);
        }
        let old = match value {
            Some(value) => tables.policy.insert(key, value),
            None => tables.policy.remove(&key),
        };
        if let Some(old) = &old {
            self.bitmaps.release(old);
        }
    }

    fn forget_entries(&mut self, tables: &mut Tables, profiles: &ProfileChanges, classes: &[u32]) {
        if !profiles.gone.is_empty() {
            let gone = tables.policy.extract_if(|key, _| profiles.gone.contains(&key.profile));
            gone.for_each(|(_, value)| self.bitmaps.release(&value));
        }
        let ids: Vec<u32> = self.profiles.iter().map(|(id, _)| id).collect();
        for class in classes {
            for profile in &ids {
                self.set_entry(tables, PolicyKey { profile: *profile, class: *class }, None);
            }
        }
    }
}

fn value(
    profile: &Profile,
    rules: &[u32],
    features: u32,
    words: Vocabulary<'_>,
    bitmaps: &mut super::bitmaps::Bitmaps,
) -> Option<PolicyValue> {
    if rules.is_empty() {
        return None;
    }
    profile.ports(rules, features, words).value(|ranges| bitmaps.index(ranges))
}
