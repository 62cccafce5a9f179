//! Places: whatever has a class. Where the class (or what else is known of the place) changes, it flips.
use super::endpoints::Endpoints;
use super::meaning::Meaning;
use super::passing::{Pair, Passing};
use super::prefixes::Lpm;
use super::{Action, Steps};
use crate::policy::tables::Tables;
use ipnetwork::IpNetwork;
use ringfence_abi::{Addr, AddressKind, AddressValue, PrefixValue, ServiceKey, ServiceValue};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Everything that flips.
#[derive(Debug)]
pub(super) struct Places {
    addresses: Vec<Move<Addr, AddressValue>>,
    prefixes: Vec<Move<IpNetwork, PrefixValue>>,
    services: Vec<Move<ServiceKey, ServiceValue>>,
    transit: [Pair; 2],
    pods: BTreeSet<Pair>,
}

/// One place.
#[derive(Debug)]
struct Move<K, V> {
    key: K,
    /// Its entry before and after, if it has one.
    before: Option<V>,
    after: Option<V>,
    /// What an entry would have to say afterwards.
    then: V,
    meaning: Pair,
}

/// Every place whose entry changes.
pub(super) fn moves(old: &Tables, new: &Tables, endpoints: &Endpoints) -> Places {
    let lpms = (Lpm::new(old), Lpm::new(new));
    let class = |i: usize| (Meaning::Class(old.transit_class[i]), Meaning::Class(new.transit_class[i]));
    Places {
        addresses: addresses(old, new, &lpms),
        prefixes: prefixes(old, new, &lpms),
        services: services(old, new),
        transit: [class(0), class(1)],
        pods: endpoints.pairs().collect(),
    }
}

fn addresses(
    old: &Tables,
    new: &Tables,
    (before, after): &(Lpm<'_>, Lpm<'_>),
) -> Vec<Move<Addr, AddressValue>> {
    let of_range = |lpm: &Lpm<'_>, address: Addr| {
        let found = lpm.of(IpAddr::from(address));
        AddressValue { class: found.class, owner: 0, kind: found.kind, pad: [0; 3] }
    };
    let mut out = Vec::new();
    for key in differing(&old.addresses, &new.addresses) {
        let (was, will) = (old.addresses.get(&key).copied(), new.addresses.get(&key).copied());
        let from = was.unwrap_or_else(|| of_range(before, key));
        let then = will.unwrap_or_else(|| of_range(after, key));
        let meaning = (Meaning::Class(from.class), Meaning::Class(then.class));
        out.push(Move { key, before: was, after: will, then, meaning });
    }
    out
}

/// Every network of either table is a place of its own, in the order in which to add them: the longest first.
fn prefixes(
    old: &Tables,
    new: &Tables,
    (before, after): &(Lpm<'_>, Lpm<'_>),
) -> Vec<Move<IpNetwork, PrefixValue>> {
    let mut keys = differing(&old.prefixes, &new.prefixes);
    keys.sort_by_key(|network| std::cmp::Reverse(network.prefix()));
    let place = |key: IpNetwork| {
        let (from, then) = (before.cover(&key), after.cover(&key));
        let meaning = (Meaning::Class(from.class), Meaning::Class(then.class));
        let (before, after) = (old.prefixes.get(&key).copied(), new.prefixes.get(&key).copied());
        Move { key, before, after, then, meaning }
    };
    keys.into_iter().map(place).collect()
}

fn services(old: &Tables, new: &Tables) -> Vec<Move<ServiceKey, ServiceValue>> {
    let meaning = |tables: &Tables, key: &ServiceKey| match tables.services.get(key) {
        Some(ServiceValue { class: 0 }) => Meaning::Pass,
        Some(ServiceValue { class }) => Meaning::Class(*class),
        None => {
            let found = tables.locate(IpAddr::from(key.addr));
            let port = u16::from_be(key.port);
            match found.kind {
                AddressKind::ThisNode => Meaning::Pass,
                _ => Meaning::Port { class: found.class, protocol: key.protocol, port },
            }
        }
    };
    let place = |key: ServiceKey| {
        let (before, after) = (old.services.get(&key).copied(), new.services.get(&key).copied());
        let pair = (meaning(old, &key), meaning(new, &key));
        Move { key, before, after, then: after.unwrap_or_default(), meaning: pair }
    };
    differing(&old.services, &new.services).into_iter().map(place).collect()
}

fn differing<K, V>(old: &std::collections::HashMap<K, V>, new: &std::collections::HashMap<K, V>) -> Vec<K>
where
    K: Copy + Eq + std::hash::Hash,
    V: PartialEq,
{
    let changed = new.iter().filter(|(key, value)| old.get(key) != Some(*value)).map(|(key, _)| *key);
    changed.chain(old.keys().filter(|key| !new.contains_key(key)).copied()).collect()
}

impl Places {
    /// The meanings, before and after, of every place where they differ.
    pub(super) fn pairs(&self) -> BTreeSet<Pair> {
        let addresses = self.addresses.iter().map(|m| m.meaning);
        let others = self.prefixes.iter().map(|m| m.meaning).chain(self.services.iter().map(|m| m.meaning));
        let all = addresses.chain(others).chain(self.transit).chain(self.pods.iter().copied());
        all.filter(|(before, after)| before != after).collect()
    }

    /// The transit classes between the flip and the turn.
    pub(super) fn transit(&self, passing: &Passing) -> [u32; 2] {
        self.transit.map(|pair| match pair.1 {
            Meaning::Class(class) => passing.of(pair).unwrap_or(class),
            Meaning::Pass | Meaning::Port { .. } => 0,
        })
    }

    pub(super) fn steps(&self, passing: &Passing, straight: bool, steps: &mut Steps) {
        let stays = |place: &&Move<Addr, AddressValue>| place.after.is_some() || !straight;
        // Before prefixes: an address that gets an entry of its own does not pass through its prefix's next class.
        for place in self.addresses.iter().filter(stays) {
            let class = passing.of(place.meaning).unwrap_or(place.then.class);
            let first = AddressValue { class, ..place.then };
            let put = |value| Action::PutAddress(place.key, value);
            place.go(first, false, put, Action::RemoveAddress(place.key), steps);
        }
        for place in &self.prefixes {
            let class = passing.of(place.meaning).unwrap_or(place.then.class);
            let first = PrefixValue { class, ..place.then };
            let put = |value| Action::PutPrefix(place.key, value);
            place.go(first, false, put, Action::RemovePrefix(place.key), steps);
        }
        for place in &self.services {
            let first = ServiceValue { class: passing.of(place.meaning).unwrap_or(place.then.class) };
            let put = |value| Action::PutService(place.key, value);
            place.go(first, straight, put, Action::RemoveService(place.key), steps);
        }
        let gone = self.addresses.iter().filter(|place| !stays(place));
        steps.flip.extend(gone.map(|place| Action::RemoveAddress(place.key)));
    }
}

impl<K, V: Copy + PartialEq> Move<K, V> {
    /// To `first`, and at last to what it shall be. What is to go may go at once if `removable`; else only when all
    /// others are where they shall be: until then it says what will cover it.
    fn go(&self, first: V, removable: bool, put: impl Fn(V) -> Action, remove: Action, steps: &mut Steps) {
        if removable && self.after.is_none() {
            steps.flip.push(remove);
            return;
        }
        if self.before != Some(first) {
            steps.flip.push(put(first));
        }
        match self.after {
            Some(last) if last != first => steps.settle.push(put(last)),
            Some(_) => {}
            None => steps.settle.push(remove),
        }
    }
}
