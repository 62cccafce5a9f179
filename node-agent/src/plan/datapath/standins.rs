//! Profiles that say what another said before policy turned, for pods that leave it while it turns for those that stay.
use super::entries::Side;
use super::passing::Passing;
use super::{Action, FIRST_PASSING, Steps};
use ringfence_abi::PolicyKey;
use std::collections::{BTreeSet, HashMap, HashSet};

/// The stand-in of each profile that needs one.
#[derive(Debug, Default)]
pub(super) struct Standins(HashMap<u32, u32>);

impl Standins {
    /// `left`: profiles that some pod leaves. Those of them that turn get a stand-in, filled in `steps.add`.
    pub(super) fn new(left: &BTreeSet<u32>, old: &Side<'_>, passing: &Passing, steps: &mut Steps) -> Self {
        let turned = |action: &Action| match action {
            Action::PutPolicy(key, _) | Action::RemovePolicy(key) => Some(key.profile),
            _ => None,
        };
        let turned: HashSet<u32> = steps.turn.iter().filter_map(turned).collect();
        let mut out = Self::default();
        let mut fresh = old.highest_profile.max(FIRST_PASSING - 1);
        for profile in left.iter().filter(|profile| turned.contains(profile)) {
            fresh += 1;
            out.0.insert(*profile, fresh);
        }
        out.fill(old, passing, steps);
        out
    }

    fn fill(&self, old: &Side<'_>, passing: &Passing, steps: &mut Steps) {
        if self.0.is_empty() {
            return;
        }
        let mut entries: HashMap<PolicyKey, _> = HashMap::new();
        for (key, value) in &old.tables.policy {
            if let Some(standin) = self.0.get(&key.profile) {
                entries.insert(PolicyKey { profile: *standin, class: key.class }, *value);
            }
        }
        for (profile, standin) in &self.0 {
            for (class, (before, _)) in &passing.between {
                let key = PolicyKey { profile: *standin, class: *class };
                match before.value(old, *profile) {
                    Some(value) => _ = entries.insert(key, value),
                    None => _ = entries.remove(&key),
                }
            }
        }
        for (key, value) in entries {
            steps.add.push(Action::PutPolicy(key, value));
            steps.remove.push(Action::RemovePolicy(key));
        }
    }

    /// The profile to have until policy turns.
    pub(super) fn of(&self, before: u32, after: u32) -> u32 {
        if before == after { before } else { self.0.get(&before).copied().unwrap_or(before) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
