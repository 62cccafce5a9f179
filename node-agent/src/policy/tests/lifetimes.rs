//! Addresses that change hands, numbers that do not come back.
use super::world::{World, address, pods_here, rule};
use crate::policy::{Compiler, kind_of};
use ringfence_abi::{AddressKind, EndpointValue};

fn world() -> World {
    let mut world = World::new();
    world.pod("a/web", "n1", &["10.1.0.10"], &[("app", "web")]);
    world.policy(
        "a/p",
        &[("app", "web")],
        Some(vec![rule(&[pods_here("a", &[("role", "friend")])], &[])]),
        None,
    );
    world
}

#[test]
fn an_address_that_two_pods_claim_matches_only_what_matches_both() {
    let mut world = world();
    world.pod("a/old", "n2", &["10.2.0.10"], &[("role", "friend")]);
    assert!(world.compile().from("a/web", "10.2.0.10", 6, 80));
    world.pod("a/new", "n2", &["10.2.0.10"], &[("role", "stranger")]);
    let compiled = world.compile();
    assert!(!compiled.from("a/web", "10.2.0.10", 6, 80));
    assert!(compiled.out.problems.iter().any(|p| p.message.contains("a/old") && p.message.contains("a/new")));
    world.pod("a/new", "n2", &["10.2.0.10"], &[("role", "friend"), ("and", "more")]);
    assert!(world.compile().from("a/web", "10.2.0.10", 6, 80));
}

#[test]
fn a_reused_address_is_judged_by_its_new_owner_as_soon_as_the_old_one_is_gone() {
    let mut world = world();
    let mut compiler = Compiler::default();
    world.pod("a/old", "n2", &["10.2.0.10"], &[("role", "friend")]);
    compiler.compile(&world.snapshot, &world.view());
    std::sync::Arc::make_mut(&mut world.snapshot.pods).remove(&crate::model::ObjectName::new("a", "old"));
    world.pod("a/new", "n2", &["10.2.0.10"], &[("role", "stranger")]);
    let tables = compiler.compile(&world.snapshot, &world.view()).tables;
    let web = tables.endpoints[&crate::policy::offline::FIRST_IFINDEX];
    assert!(!tables.permits(web.ingress_profile, tables.locate(address("10.2.0.10")).class, 6, 80));
}

#[test]
fn of_two_sandboxes_with_one_address_the_newer_has_it_and_the_older_passes_nothing() {
    let mut world = world();
    world.pod("a/next", "n1", &["10.1.0.11"], &[]);
    let mut view = world.view();
    let shared = view.endpoints[0].addresses.clone();
    view.endpoints[1].addresses = shared;
    let tables = Compiler::default().compile(&world.snapshot, &view).tables;
    let [older, newer] = [0, 1].map(|i: usize| &view.endpoints[i]);
    assert!(older.id < newer.id);
    assert_eq!(tables.endpoints[&older.ifindex].flags, EndpointValue::DENY_ALL);
    assert_eq!(tables.endpoints[&newer.ifindex].flags, 0);
    assert_eq!(tables.locate(view.endpoints[0].addresses[0]).owner, newer.ifindex);
    // A closing one has no claim, however new.
    view.endpoints[1].closing = true;
    let tables = Compiler::default().compile(&world.snapshot, &view).tables;
    assert_eq!(tables.locate(view.endpoints[0].addresses[0]).owner, view.endpoints[0].ifindex);
}

#[test]
fn what_cni_gave_a_pod_counts_not_what_the_snapshot_says() {
    let world = world();
    let mut view = world.view();
    view.endpoints[0].addresses = vec![address("10.1.0.77")];
    let tables = Compiler::default().compile(&world.snapshot, &view).tables;
    assert_eq!(tables.locate(address("10.1.0.77")).kind, AddressKind::LocalPod);
    assert_eq!(tables.locate(address("10.1.0.10")).kind, AddressKind::LocalPodRange);
}

#[test]
fn a_local_pod_without_a_sandbox_is_dropped_everywhere() {
    let world = world();
    let mut view = world.view();
    view.endpoints.clear();
    let tables = Compiler::default().compile(&world.snapshot, &view).tables;
    let found = tables.locate(address("10.1.0.10"));
    assert_eq!((found.kind, found.owner), (AddressKind::LocalPod, 0));
}

#[test]
fn a_compiler_that_starts_after_observed_tables_gives_none_of_their_numbers_again() {
    let mut world = world();
    world.pod("a/far", "n2", &["10.2.0.10"], &[("role", "friend")]);
    let observed = world.compile();
    let tables = Compiler::starting_after(observed.tables()).compile(&world.snapshot, &world.view()).tables;
    let classes = |t: &crate::policy::tables::Tables| t.policy.keys().map(|k| k.class).max().unwrap_or(0);
    let least =
        tables.addresses.values().map(|v| v.class).chain(tables.prefixes.values().map(|v| v.class)).min();
    assert!(least.unwrap() > classes(observed.tables()));
    assert!(tables.policy.keys().all(|k| observed.tables().policy.keys().all(|o| o.profile < k.profile)));
}

#[test]
fn port_sets_found_in_the_kernel_keep_their_index_and_others_stay_off_it() {
    let mut world = world();
    world.pod("a/far", "n2", &["10.2.0.10"], &[("role", "friend")]);
    let policy = |world: &mut World, port| {
        let peers = [pods_here("a", &[("role", "friend")])];
        world.policy("a/p", &[("app", "web")], Some(vec![rule(&peers, &[super::world::tcp(port)])]), None);
    };
    policy(&mut world, 80);
    let observed = world.compile();
    let index = *observed.tables().bitmaps.keys().next().unwrap();
    let mut compiler = Compiler::starting_after(observed.tables());
    let same = compiler.compile(&world.snapshot, &world.view());
    assert!(same.tables.bitmaps.contains_key(&index));
    policy(&mut world, 81);
    let other = compiler.compile(&world.snapshot, &world.view());
    assert!(!other.tables.bitmaps.contains_key(&index));
    // Until it is known to be gone from the kernel its index is not given to another.
    policy(&mut world, 82);
    let third = compiler.compile(&world.snapshot, &world.view());
    assert!(!third.tables.bitmaps.contains_key(&index));
    compiler.applied(third.revision);
    policy(&mut world, 83);
    assert!(compiler.compile(&world.snapshot, &world.view()).tables.bitmaps.contains_key(&index));
}

#[test]
fn a_change_that_concerns_no_local_pod_changes_no_entry_but_its_own() {
    let mut world = world();
    world.pod("a/far", "n2", &["10.2.0.10"], &[("role", "friend")]);
    let mut compiler = Compiler::default();
    let before = compiler.compile(&world.snapshot, &world.view()).tables;
    world.pod("b/else", "n2", &["10.2.0.11"], &[("some", "label")]);
    world.policy("b/nobody", &[("no", "pod")], Some(vec![]), Some(vec![]));
    let after = compiler.compile(&world.snapshot, &world.view()).tables;
    assert_eq!(before.policy, after.policy);
    assert_eq!(before.prefixes, after.prefixes);
    let new: Vec<_> = after.addresses.iter().filter(|(k, v)| before.addresses.get(k) != Some(v)).collect();
    assert_eq!(new.len(), 1);
    assert_eq!(kind_of(new[0].1.kind), AddressKind::RemotePod);
}
