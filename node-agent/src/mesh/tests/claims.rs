//! Whose an address is that a node says it has.
use super::*;
use crate::mesh::spec::{POD_TABLE, RouteVia};

/// What is wrong with what a node says of itself.
fn doubts(world: &World, name: &str) -> Vec<String> {
    let problems = world.compile().problems;
    problems
        .into_iter()
        .filter(|p| p.object.name == name)
        .map(|p| format!("{} {}", p.field, p.message))
        .collect()
}

/// What a peer of the first plane may send from, and be sent to.
fn allowed(world: &World, name: &str) -> BTreeSet<IpNetwork> {
    let device = &world.compile().devices[&Plane::Zero];
    device.peers.values().find(|peer| peer.node == name).map(|peer| peer.allowed.clone()).unwrap_or_default()
}

/// Whether nothing of the mesh is about an address.
fn is_let_alone(world: &World, address: &str) -> bool {
    let (spec, host) = (world.compile(), IpNetwork::from(ip(address)));
    spec.routes.iter().all(|route| route.destination != host)
        && !spec.lock.nodes.contains(&ip(address))
        && !spec.nat.peer_addresses.contains(&ip(address))
        && spec.devices.values().flat_map(|d| d.peers.values()).all(|peer| !peer.allowed.contains(&host))
        && spec.known.values().all(|known| !known.addresses.contains(&ip(address)))
}

#[test]
fn a_node_that_names_an_address_outside_of_the_node_cidrs_gets_nothing_that_is_sent_there_and_is_named() {
    let mut world = World::seen_by("a");
    let honest = world.compile();
    world.edit("b", |b| b.addresses.extend([ip("198.51.100.53"), ip("2001:db8:0:1::53")]));
    let spec = world.compile();
    assert_eq!((&spec.devices, &spec.routes, &spec.lock), (&honest.devices, &honest.routes, &honest.lock));
    for address in ["198.51.100.53", "2001:db8:0:1::53"] {
        assert!(is_let_alone(&world, address), "{address}");
        assert!(doubts(&world, "b").iter().any(|d| d.contains(address) && d.contains("--node-cidr")));
    }
    let named = BTreeSet::from(["198.51.100.53", "2001:db8:0:1::53"].map(ip));
    assert_eq!(spec.disbelieved, BTreeMap::from([("b".to_owned(), named)]));
}

#[test]
fn without_node_cidrs_any_address_is_believed_and_that_is_warned_of() {
    let mut world = World::seen_by("a");
    world.edit("b", |b| b.addresses.push(ip("198.51.100.53")));
    world.config.node_cidrs.clear();
    assert!(allowed(&world, "b").contains(&net("198.51.100.53/32")));
    assert!(world.compile().warnings.iter().any(|warning| warning.contains("--node-cidr")));
    assert!(world.compile().problems.is_empty());
}

#[test]
fn an_address_of_our_own_outside_of_the_node_cidrs_is_warned_of() {
    let mut world = World::seen_by("a");
    world.config.node_cidrs = BTreeSet::from([net("192.0.2.2/31"), net("2001:db8::/64")]);
    let warnings = world.compile().warnings;
    assert!(warnings.iter().any(|w| w.contains("192.0.2.1") && w.contains("--node-cidr")), "{warnings:?}");
}

#[test]
fn an_older_node_that_newly_names_anothers_address_does_not_get_it_and_costs_nobody_more() {
    let mut world = World::seen_by("a");
    world.remember();
    let honest = (allowed(&world, "b"), allowed(&world, "c"));
    world.edit("b", |b| b.created = "2020-01-01T00:00:00Z".to_owned());
    world.edit("b", |b| b.addresses.insert(0, ip("192.0.2.3")));
    assert_eq!((allowed(&world, "b"), allowed(&world, "c")), honest);
    assert!(world.compile().refused.is_empty());
    assert!(
        doubts(&world, "b")[0].starts_with("status.addresses 192.0.2.3 is c's"),
        "{:?}",
        doubts(&world, "b")
    );
    assert!(doubts(&world, "c").is_empty());
    // It is remembered again and again.
    for _ in 0..3 {
        world.remember();
    }
    assert_eq!((allowed(&world, "b"), allowed(&world, "c")), honest);
    // Also while the rightful one's keys are not believed.
    world.edit("c", |c| c.uid = "another".to_owned());
    world.memory.known.get_mut("c").unwrap().uid = "another".to_owned();
    world.remember();
    assert!(world.compile().refused.contains_key("c"));
    assert_eq!(allowed(&world, "b"), honest.0);
}

#[test]
fn of_two_nodes_that_name_one_address_and_are_both_new_the_older_object_has_it() {
    let mut world = World::seen_by("a");
    world.edit("c", |c| c.addresses.push(ip("192.0.2.2")));
    assert!(allowed(&world, "b").contains(&net("192.0.2.2/32")));
    world.edit("c", |c| c.created = "2020-01-01T00:00:00Z".to_owned());
    assert!(allowed(&world, "c").contains(&net("192.0.2.2/32")));
    assert!(!allowed(&world, "b").contains(&net("192.0.2.2/32")), "an AllowedIP is one peer's");
    assert_eq!(world.peers(Plane::Zero), ["b", "c"], "only the address is refused");
}

#[test]
fn a_node_that_says_it_has_an_address_of_anothers_pods_does_not_get_it_though_it_is_older_and_known() {
    let mut world = World::seen_by("a");
    world.edit("b", |b| b.created = "2020-01-01T00:00:00Z".to_owned());
    world.edit("b", |b| b.addresses.push(ip("10.244.3.7")));
    world.withdraw("c");
    world.edit("c", |c| c.pod_cidrs.clear());
    world.remember();
    assert!(allowed(&world, "b").contains(&net("10.244.3.7/32")), "nobody's pods are there yet");
    world.edit("c", |c| c.pod_cidrs = vec![net("10.244.3.0/24")]);
    assert!(is_let_alone(&world, "10.244.3.7"));
    assert_eq!(world.peers(Plane::Zero), ["b"]);
    assert!(doubts(&world, "b")[0].contains("10.244.3.7 lies in a pod CIDR of c"));
}

#[test]
fn a_node_that_says_it_has_our_address_does_not_get_it() {
    let mut world = World::seen_by("a");
    world.edit("b", |b| b.addresses.extend([ip("192.0.2.1"), ip("10.244.1.7")]));
    let blackholed = |address: &str| {
        let of_pods = world.compile().routes.into_iter().filter(|route| route.table == POD_TABLE);
        of_pods.filter(|r| r.via == RouteVia::Blackhole).any(|r| r.destination == net(address))
    };
    assert!(!blackholed("192.0.2.1/32") && !blackholed("10.244.1.7/32"));
    assert_eq!(allowed(&world, "b"), allowed(&World::seen_by("a"), "b"));
    assert_eq!(doubts(&world, "b").len(), 2);
}
