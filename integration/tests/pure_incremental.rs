//! A compiler that followed a cluster through its changes decides as one that sees only the last snapshot.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its data shall fail")]

mod model;

use model::evolve::Life;
use ringfence::policy::Compiler;
use ringfence::policy::tables::Tables;
use ringfence_abi::{AddressKind, PolicyKey, PolicyValue};
use ringfence_integration::effort::effort;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Clusters followed, unless RINGFENCE_LIVES says otherwise; and where RINGFENCE_LONG is set.
const LIVES: u64 = 60;
const LONG: u64 = 600;
const STEPS: usize = 25;

/// A policy value with its port sets spelt out.
type Spelt = Option<[Vec<u64>; 4]>;

fn spelt(tables: &Tables, profile: u32, class: u32) -> Spelt {
    let value = tables.policy.get(&PolicyKey { profile, class })?;
    let field = |index: u32| match index {
        PolicyValue::NONE | PolicyValue::ALL => vec![index.into()],
        index => tables.bitmaps[&index].words.to_vec(),
    };
    Some([field(value.tcp), field(value.udp), field(value.sctp), field(value.other)])
}

/// What the tables decide, without the numbers they use for it: kinds and flags of all places and pods, and what each
/// pod's two profiles say of each place.
fn decisions(tables: &Tables) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut places: Vec<(String, u32)> = Vec::new();
    for (address, value) in &tables.addresses {
        let name = std::net::IpAddr::from(*address).to_string();
        let local = value.kind == AddressKind::LocalPod as u8;
        out.insert(
            format!("address {name}"),
            format!("{} {}", value.kind, if local { value.owner } else { 0 }),
        );
        places.push((format!("address {name}"), value.class));
    }
    for (network, value) in &tables.prefixes {
        out.insert(format!("prefix {network}"), value.kind.to_string());
        places.push((format!("prefix {network}"), value.class));
    }
    for (key, value) in &tables.services {
        out.insert(format!("service {key:?}"), (value.class == 0).to_string());
        if value.class != 0 {
            places.push((format!("service {key:?}"), value.class));
        }
    }
    places.push(("transit IPv4".to_owned(), tables.transit_class[0]));
    places.push(("transit IPv6".to_owned(), tables.transit_class[1]));
    for (ifindex, endpoint) in &tables.endpoints {
        let pod = format!("pod {ifindex}");
        let profiles = [endpoint.ingress_profile, endpoint.egress_profile];
        let isolated = profiles.map(|p| p != 0);
        out.insert(pod.clone(), format!("{} {isolated:?} {} {:?}", endpoint.id, endpoint.flags, endpoint.v4));
        places.push((format!("{pod} v4"), endpoint.class_v4));
        places.push((format!("{pod} v6"), endpoint.class_v6));
    }
    let mut seen: BTreeMap<(u32, u32), String> = BTreeMap::new();
    for (ifindex, endpoint) in &tables.endpoints {
        for (place, class) in &places {
            for (direction, profile) in [("from", endpoint.ingress_profile), ("to", endpoint.egress_profile)]
            {
                // A Service's class is only ever asked about egress.
                if profile == 0 || (direction == "from" && place.starts_with("service")) {
                    continue;
                }
                let said =
                    seen.entry((profile, *class)).or_insert_with(|| digest(&spelt(tables, profile, *class)));
                out.insert(format!("pod {ifindex} {direction} {place}"), said.clone());
            }
        }
    }
    out
}

fn digest(spelt: &Spelt) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    spelt.hash(&mut hasher);
    format!("{} {:x}", spelt.is_some(), hasher.finish())
}

/// Classes that some place has.
fn used_classes(tables: &Tables) -> HashSet<u32> {
    let of_places =
        tables.addresses.values().map(|v| v.class).chain(tables.prefixes.values().map(|v| v.class));
    of_places.chain(tables.services.values().map(|v| v.class)).chain(tables.transit_class).collect()
}

fn used_profiles(tables: &Tables) -> HashSet<u32> {
    tables.endpoints.values().flat_map(|e| [e.ingress_profile, e.egress_profile]).collect()
}

/// Nothing dangles, nothing is left over.
fn assert_sound(tables: &Tables) {
    let (used, profiles) = (used_classes(tables), used_profiles(tables));
    let mut referred = BTreeSet::new();
    for (key, value) in &tables.policy {
        assert!(key.profile != 0 && key.class != 0 && value.tcp | value.udp | value.sctp | value.other != 0);
        assert!(profiles.contains(&key.profile), "an entry of a profile that no pod has: {key:?}");
        assert!(used.contains(&key.class), "an entry of a class that nothing has: {key:?}");
        referred.extend(
            [value.tcp, value.udp, value.sctp].into_iter().filter(|i| *i >= PolicyValue::FIRST_BITMAP),
        );
    }
    assert_eq!(referred, tables.bitmaps.keys().copied().collect());
}

#[test]
fn following_the_changes_decides_as_compiling_afresh() {
    for seed in 0..effort("RINGFENCE_LIVES", LIVES, LONG) {
        let mut life = Life::new(seed);
        let mut compiler = Compiler::default();
        for step in 0..STEPS {
            let local = life.local();
            let followed = compiler.compile(&life.snapshot, &local);
            let fresh = Compiler::default().compile(&life.snapshot, &local);
            assert_sound(&followed.tables);
            let (a, b) = (decisions(&followed.tables), decisions(&fresh.tables));
            let differ: Vec<_> = a.iter().filter(|(k, v)| b.get(*k) != Some(v)).collect();
            assert_eq!(a.len(), b.len(), "seed {seed} step {step}");
            assert!(
                differ.is_empty(),
                "seed {seed} step {step}: {} differ: {:?}",
                differ.len(),
                differ.first()
            );
            if step % 3 == 0 {
                compiler.applied(followed.revision);
            }
            life.step();
        }
    }
}

#[test]
fn numbers_are_never_given_again_and_bitmaps_only_once_retired() {
    for seed in 0..LIVES / 3 {
        let mut life = Life::new(seed);
        let mut compiler = Compiler::default();
        let (mut gone, mut last) = (HashSet::new(), HashSet::new());
        let mut bitmaps: BTreeMap<u32, _> = BTreeMap::new();
        for step in 0..STEPS {
            let local = life.local();
            let out = compiler.compile(&life.snapshot, &local);
            let classes = used_classes(&out.tables).into_iter().map(|id| ("class", id));
            let profiles = used_profiles(&out.tables).into_iter().map(|id| ("profile", id));
            let now: HashSet<_> = classes.chain(profiles).filter(|(_, id)| *id != 0).collect();
            gone.extend(last.difference(&now).copied());
            let back: Vec<_> = now.intersection(&gone).collect();
            assert!(back.is_empty(), "seed {seed} step {step}: {back:?} came back");
            last = now;
            for (index, bitmap) in &out.tables.bitmaps {
                let before = bitmaps.insert(*index, bitmap.clone());
                assert!(
                    before.is_none_or(|b| b == *bitmap),
                    "seed {seed} step {step}: bitmap {index} changed"
                );
            }
            if step % 4 == 3 {
                compiler.applied(out.revision);
                bitmaps.retain(|index, _| out.tables.bitmaps.contains_key(index));
            }
            life.step();
        }
    }
}

#[test]
fn a_snapshot_that_changes_nothing_gives_the_same_tables_again() {
    let mut life = Life::new(1);
    let mut compiler = Compiler::default();
    let local = life.local();
    let first = compiler.compile(&life.snapshot, &local);
    let again = compiler.compile(&life.snapshot.clone(), &local.clone());
    assert!(std::sync::Arc::ptr_eq(&first.tables, &again.tables) && first.revision == again.revision);
}
