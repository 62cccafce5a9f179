//! Policy entries: what is added before anything flips, what changes in place, and what is removed at last.
use super::meaning::Meaning;
use super::passing::Passing;
use super::{Action, Steps};
use crate::policy::tables::Tables;
use ringfence_abi::{PolicyKey, PolicyValue};
use std::collections::HashSet;

/// One side's tables with what is in use there.
#[derive(Debug)]
pub(super) struct Side<'a> {
    pub(super) tables: &'a Tables,
    /// Classes that some place has.
    pub(super) used: HashSet<u32>,
    profiles: HashSet<u32>,
    pub(super) highest_class: u32,
    pub(super) highest_profile: u32,
}

impl<'a> Side<'a> {
    pub(super) fn new(tables: &'a Tables) -> Self {
        let addresses = tables.addresses.values().map(|v| v.class);
        let prefixes = tables.prefixes.values().map(|v| v.class);
        let services = tables.services.values().map(|v| v.class).filter(|class| *class != 0);
        let pods = tables.endpoints.values().flat_map(|e| [e.class_v4, e.class_v6]);
        let used: HashSet<u32> =
            addresses.chain(prefixes).chain(services).chain(pods).chain(tables.transit_class).collect();
        let of_pods = tables.endpoints.values().flat_map(|e| [e.ingress_profile, e.egress_profile]);
        let profiles: HashSet<u32> = of_pods.chain(tables.policy.keys().map(|key| key.profile)).collect();
        let classes = used.iter().copied().chain(tables.policy.keys().map(|key| key.class));
        let highest_class = classes.max().unwrap_or(0);
        let highest_profile = profiles.iter().copied().max().unwrap_or(0);
        Self { tables, used, profiles, highest_class, highest_profile }
    }
}

/// Whether any entry that is asked on both sides says something else afterwards.
pub(super) fn any_turns(old: &Side<'_>, new: &Side<'_>) -> bool {
    let asked = |key: &PolicyKey| in_use(key, old) && in_use(key, new);
    let changed =
        new.tables.policy.iter().any(|(key, value)| asked(key) && old.tables.policy.get(key) != Some(value));
    changed || old.tables.policy.keys().any(|key| asked(key) && !new.tables.policy.contains_key(key))
}

fn in_use(key: &PolicyKey, side: &Side<'_>) -> bool {
    side.profiles.contains(&key.profile) && side.used.contains(&key.class)
}

/// Every entry's part of the plan.
pub(super) fn steps(old: &Side<'_>, new: &Side<'_>, passing: &Passing, steps: &mut Steps) {
    let between = |key: &PolicyKey| passing.between.contains_key(&key.class);
    for (key, value) in &new.tables.policy {
        if between(key) || old.tables.policy.get(key) == Some(value) {
            continue;
        }
        let put = Action::PutPolicy(*key, *value);
        if in_use(key, old) { steps.turn.push(put) } else { steps.add.push(put) }
    }
    for key in old.tables.policy.keys().filter(|key| !between(key) && !new.tables.policy.contains_key(key)) {
        let remove = Action::RemovePolicy(*key);
        if in_use(key, new) { steps.turn.push(remove) } else { steps.remove.push(remove) }
    }
    for (class, pair) in &passing.between {
        through(*class, *pair, old, new, steps);
    }
}

/// What is said of one class between: to old profiles as before, to new ones as after, to those that stay first the one
/// and then the other.
fn through(
    class: u32,
    (before, after): (Meaning, Meaning),
    old: &Side<'_>,
    new: &Side<'_>,
    steps: &mut Steps,
) {
    let stays = after == Meaning::Class(class);
    for profile in old.profiles.union(&new.profiles).copied().filter(|p| *p != 0) {
        let key = PolicyKey { profile, class };
        let was = old.profiles.contains(&profile).then(|| before.value(old, profile));
        let will = new.profiles.contains(&profile).then(|| after.value(new, profile));
        let mut now = old.tables.policy.get(&key).copied();
        put(key, &mut now, was.or(will).flatten(), &mut steps.add);
        if let Some(will) = will {
            put(key, &mut now, will, &mut steps.turn);
        }
        let last = if stays { will.flatten() } else { None };
        put(key, &mut now, last, &mut steps.remove);
    }
}

fn put(key: PolicyKey, now: &mut Option<PolicyValue>, value: Option<PolicyValue>, into: &mut Vec<Action>) {
    if *now != value {
        into.push(value.map_or(Action::RemovePolicy(key), |value| Action::PutPolicy(key, value)));
        *now = value;
    }
}
