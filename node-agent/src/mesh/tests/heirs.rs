//! Who gets an address that another node had until a short time ago.
use super::departed::{HOLD, T, blackhole, leads_onto_the_mesh};
use super::*;
use crate::mesh::memory::Memory;
use crate::mesh::spec::POD_TABLE;

const ADDRESS: &str = "192.0.2.2";

/// Node c, younger or older, names b's address while b lives; both are known.
fn coveted(created: &str) -> World {
    let mut world = World::seen_by("a");
    world.round(T);
    world.edit("c", |c| c.addresses.push(ip(ADDRESS)));
    world.edit("c", |c| c.created = created.to_owned());
    world.round(T + 1);
    world
}

fn is_closed_to_all(world: &World) -> bool {
    let spec = world.compile();
    spec.routes.contains(&blackhole(POD_TABLE, "192.0.2.2/32"))
        && spec.lock.nodes.contains(&ip(ADDRESS))
        && !leads_onto_the_mesh(&spec, "192.0.2.2/32")
        && spec.known.values().all(|known| !known.addresses.contains(&ip(ADDRESS)))
}

/// The object of b made anew, later than all others.
fn anew(world: &mut World) {
    let mut again = node("b", 2);
    again.uid = "another".to_owned();
    again.created = "2026-02-01T00:00:00Z".to_owned();
    let planes = *published(&again, 2).planes();
    world.publish(Publication::new("b", "another", Epoch::ZERO, planes, &again.addresses).unwrap());
    world.put(again);
}

#[test]
fn a_node_that_named_anothers_address_beforehand_does_not_get_it_when_that_ones_object_is_made_anew() {
    for created in ["2020-01-01T00:00:00Z", "2026-01-03T00:00:00Z", ""] {
        let mut world = coveted(created);
        world.delete("b");
        let spec = world.round(T + 10);
        assert!(is_closed_to_all(&world), "{created}");
        assert!(
            spec.problems.iter().any(|p| p.object.name == "c" && p.message.contains("192.0.2.2 was b's"))
        );
        // Also after a restart of the agent.
        world.memory = serde_json::from_str(&serde_json::to_string(&world.memory).unwrap()).unwrap();
        world.round(T + 20);
        assert!(is_closed_to_all(&world), "{created}");
        anew(&mut world);
        for later in 3..6 {
            let spec = world.round(T + later * 10);
            assert!(spec.known["b"].addresses.contains(&ip(ADDRESS)), "{created}");
            assert!(!spec.known["c"].addresses.contains(&ip(ADDRESS)), "{created}");
            assert!(leads_onto_the_mesh(&spec, "192.0.2.2/32"));
        }
        // The one known first, also when the time is over.
        assert!(world.round(T + 100 + HOLD).known["b"].addresses.contains(&ip(ADDRESS)));
    }
}

#[test]
fn a_node_that_names_an_address_only_after_its_node_is_gone_waits_as_long_as_the_world_outside() {
    let mut world = World::seen_by("a");
    world.round(T);
    world.delete("b");
    world.round(T + 10);
    world.edit("c", |c| c.addresses.push(ip(ADDRESS)));
    world.round(T + 10 + HOLD - 1);
    assert!(is_closed_to_all(&world));
    let spec = world.round(T + 10 + HOLD);
    assert!(spec.known["c"].addresses.contains(&ip(ADDRESS)), "who lives has what he names");
    assert!(spec.problems.is_empty(), "{:?}", spec.problems);
}

#[test]
fn a_node_object_that_was_made_while_the_agent_was_away_does_not_count_as_younger() {
    let mut world = World::seen_by("a");
    world.round(T);
    world.delete("b");
    world.edit("c", |c| c.uid = "another".to_owned());
    world.edit("c", |c| c.created = "2026-06-01T00:00:00Z".to_owned());
    world.edit("c", |c| c.addresses.push(ip(ADDRESS)));
    world.round(T + 10);
    assert!(is_closed_to_all(&world));
}

#[test]
fn an_address_that_a_live_node_stops_naming_stays_closed_and_is_its_own_when_it_names_it_again() {
    for coveted in [false, true] {
        let mut world = World::seen_by("a");
        world.round(T);
        if coveted {
            world.edit("c", |c| c.addresses.push(ip(ADDRESS)));
            world.round(T + 1);
        }
        world.edit("b", |b| b.addresses.retain(|address| *address != ip(ADDRESS)));
        let spec = world.round(T + 10);
        assert!(is_closed_to_all(&world), "{coveted}");
        assert_eq!(world.peers(Plane::Zero), ["b", "c"], "the rest of it goes on");
        let told = |w: &String| w.contains("Node b no longer has all") && w.contains(ADDRESS);
        assert!(spec.warnings.iter().any(told), "{:?}", spec.warnings);
        world.round(T + 10 + HOLD - 1);
        assert!(is_closed_to_all(&world), "{coveted}");
        world.edit("b", |b| b.addresses.push(ip(ADDRESS)));
        let spec = world.round(T + 10 + HOLD);
        assert!(spec.known["b"].addresses.contains(&ip(ADDRESS)), "{coveted}");
        assert!(world.memory.departed.is_empty());
    }
}

#[test]
fn an_address_that_a_live_node_stopped_naming_opens_in_time() {
    let mut world = World::seen_by("a");
    world.round(T);
    world.edit("b", |b| b.addresses.retain(|address| *address != ip(ADDRESS)));
    world.round(T + 10);
    let spec = world.round(T + 10 + HOLD);
    assert!(!spec.lock.nodes.contains(&ip(ADDRESS)) && world.memory == memory_of(&world));
}

/// What is known with nobody gone.
fn memory_of(world: &World) -> Memory {
    let mut memory = Memory::default();
    memory.learn(&world.compile());
    memory
}

#[test]
fn a_node_that_names_ever_new_addresses_is_remembered_with_the_latest_of_them_and_no_other_is_forgotten() {
    let mut world = World::seen_by("a");
    world.round(T);
    world.delete("b");
    for number in 0..100 {
        world.edit("c", |c| {
            c.addresses = (0..10).map(|host| ip(&format!("2001:db8::{number}:{host}"))).collect()
        });
        world.round(T + number);
    }
    let of = |name: &str| -> usize {
        let departed = world.memory.departed.iter().filter(|one| one.node == name);
        departed.map(|one| one.had.addresses.len()).sum()
    };
    assert_eq!((of("b"), of("c")), (2, 256));
    assert!(world.compile().lock.nodes.contains(&ip("2001:db8::98:0")));
}

#[test]
fn where_pods_are_is_asked_a_few_times_in_the_whole_and_before_anything_is_forgotten() {
    let mut world = World::seen_by("a");
    world.round(T);
    world.delete("b");
    world.pod_on("b");
    world.round(T);
    let reset = (1..=HOLD).filter(|second| {
        world.round(T + second);
        world.memory.departed[0].age == 0
    });
    assert_eq!(reset.count(), 16);
    // One long gap.
    world.round(T + 10 * HOLD);
    assert!(!world.memory.departed.is_empty());
}
