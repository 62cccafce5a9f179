//! Who is a peer, with which addresses, and who is refused.
use super::*;
use crate::mesh::memory::Known;
use crate::watch::Kind;

fn refused(world: &World, name: &str) -> String {
    world.compile().refused.get(name).cloned().unwrap_or_default()
}

#[test]
fn every_other_node_is_a_peer_on_both_planes_with_exactly_its_cidrs_and_addresses() {
    let spec = World::seen_by("a").compile();
    for (plane, seed) in [(Plane::Zero, 4), (Plane::One, 5)] {
        let device = &spec.devices[&plane];
        assert_eq!(device.listen_port, plane.default_port());
        assert_eq!(device.peers.len(), 2);
        let peer = &device.peers[&key(seed)];
        assert_eq!(peer.node, "b");
        assert_eq!(peer.endpoint, format!("192.0.2.2:{}", plane.default_port()).parse().unwrap());
        let allowed = ["10.244.2.0/24", "fd00:10:244:2::/64", "192.0.2.2/32", "2001:db8::2/128"];
        assert_eq!(peer.allowed, allowed.into_iter().map(net).collect());
    }
    assert_eq!(spec.members.keys().collect::<Vec<_>>(), ["b", "c"]);
    assert!(spec.refused.is_empty() && spec.waiting.is_empty() && spec.warnings.is_empty());
}

#[test]
fn only_the_idle_plane_is_kept_alive_and_the_smaller_name_begins() {
    let mut world = World::seen_by("b");
    for (epoch, active) in [(0, Plane::Zero), (1, Plane::One)] {
        world.keys.epoch = Epoch::new(epoch).unwrap();
        let spec = world.compile();
        assert!(spec.devices[&active].peers.values().all(|peer| peer.keepalive == 0));
        for peer in spec.devices[&active.other()].peers.values() {
            assert_eq!((peer.keepalive, peer.begins), (DEFAULT_KEEPALIVE, peer.node == "c"));
        }
    }
}

#[test]
fn the_endpoint_is_the_first_published_address_of_a_family_that_we_have_too() {
    let mut world = World::seen_by("a");
    world.underlay.addresses.remove(0);
    let spec = world.compile();
    assert_eq!(spec.devices[&Plane::One].peers[&key(5)].endpoint, "[2001:db8::2]:51872".parse().unwrap());
}

#[test]
fn a_node_of_another_underlay_family_is_refused_and_its_pods_are_blackholed() {
    let mut world = World::seen_by("a");
    let b = world.snapshot.publications["b"].clone();
    world.publish(Publication::new("b", "uid-b", Epoch::ZERO, *b.planes(), &[ip("2001:db8::2")]).unwrap());
    world.underlay.addresses.truncate(1);
    assert_eq!(world.peers(Plane::Zero), ["c"]);
    assert!(refused(&world, "b").contains("family"));
    let to_b = world.compile().routes.into_iter().filter(|route| route.destination == net("10.244.2.0/24"));
    assert_eq!(to_b.count(), 0, "only the cluster's blackhole is left");
}

#[test]
fn of_two_nodes_with_overlapping_cidrs_the_older_object_stays() {
    let mut world = World::seen_by("a");
    world.edit("c", |c| c.pod_cidrs = vec![net("10.244.2.128/25")]);
    assert_eq!(world.peers(Plane::Zero), ["b"]);
    assert!(refused(&world, "c").contains("10.244.2.128/25"), "{}", refused(&world, "c"));
    world.edit("c", |c| c.created = "2025-12-31T23:59:59Z".to_owned());
    assert_eq!(world.peers(Plane::Zero), ["c"]);
    world.edit("c", |c| c.created = String::new());
    assert_eq!(world.peers(Plane::Zero), ["b"], "an object of unknown age is no older than any other");
}

#[test]
fn the_node_known_first_keeps_its_cidrs_even_if_its_object_is_younger() {
    let mut world = World::seen_by("a");
    world.edit("b", |b| b.pod_cidrs.clear());
    world.edit("c", |c| c.pod_cidrs = vec![net("10.244.2.0/23")]);
    world.remember();
    world.edit("b", |b| b.pod_cidrs = vec![net("10.244.2.0/24")]);
    assert_eq!(world.peers(Plane::Zero), ["c"]);
    world.memory.known.get_mut("c").unwrap().uid = "uid-of-a-former-c".to_owned();
    assert_eq!(world.peers(Plane::Zero), ["b"], "a new object of a known name is not known");
}

#[test]
fn nobody_is_believed_against_our_own_cidrs_and_addresses() {
    for claim in ["10.244.1.0/24", "10.244.0.0/16", "192.0.2.0/24", "0.0.0.0/0", "fd00:10:244:1::8/128"] {
        let mut world = World::seen_by("a");
        world.edit("b", |b| {
            b.created = String::from("2000-01-01T00:00:00Z");
            b.pod_cidrs = vec![net(claim)];
        });
        assert_eq!(world.peers(Plane::Zero), ["c"], "{claim}");
    }
}

#[test]
fn a_nodes_own_ranges_may_lie_within_each_other_and_still_protect_their_outer_one() {
    let mut world = World::seen_by("a");
    world.edit("b", |b| b.addresses.push(ip("10.244.2.4")));
    assert_eq!(world.peers(Plane::Zero), ["b", "c"]);
    world.edit("c", |c| c.pod_cidrs = vec![net("10.244.2.64/26")]);
    assert_eq!(world.peers(Plane::Zero), ["b"]);
}

#[test]
fn of_two_nodes_with_one_key_the_one_known_first_stays() {
    let mut world = World::seen_by("a");
    let c = world.snapshot.publications["c"].clone();
    let mut planes = *c.planes();
    planes.one.public_key = key(5);
    world.publish(Publication::new("c", "uid-c", Epoch::ZERO, planes, c.endpoints()).unwrap());
    assert_eq!(world.peers(Plane::Zero), ["b"]);
    assert!(refused(&world, "c").contains("cloned"));
    let c = Known { uid: "uid-c".to_owned(), member: true, ..Known::default() };
    world.memory.known = BTreeMap::from([("c".to_owned(), c)]);
    assert_eq!(world.peers(Plane::One), ["c"]);
}

#[test]
fn a_node_with_our_own_key_is_refused() {
    let mut world = World::seen_by("a");
    world.keys.public.one = Some(key(4));
    assert_eq!(world.peers(Plane::Zero), ["c"]);
}

#[test]
fn keys_published_for_a_former_node_of_the_name_are_not_used() {
    let mut world = World::seen_by("a");
    world.edit("b", |b| b.uid = "another".to_owned());
    assert_eq!(world.peers(Plane::Zero), ["c"]);
    assert!(refused(&world, "b").contains("UID uid-b, now another"));
}

#[test]
fn a_node_without_keys_is_waited_for_and_keeps_its_claim() {
    let mut world = World::seen_by("a");
    world.withdraw("b");
    world.edit("c", |c| c.pod_cidrs = vec![net("10.244.2.0/24")]);
    let spec = world.compile();
    assert_eq!(spec.waiting, BTreeSet::from(["b".to_owned()]));
    assert!(spec.devices[&Plane::Zero].peers.is_empty());
    assert!(spec.refused.contains_key("c"));
}

#[test]
fn each_refusal_names_where_what_is_to_be_mended_was_read_and_its_field() {
    let mut world = World::seen_by("a");
    let problems = |world: &World| -> Vec<String> {
        world
            .compile()
            .problems
            .iter()
            .map(|p| format!("{} {} {} {}", p.source, p.kind, p.object, p.field))
            .collect()
    };
    assert!(problems(&world).is_empty());
    world.snapshot.origins = Arc::new(BTreeMap::from([
        ((Kind::Node, "c".to_owned()), Arc::from("nodes.yaml:9 (document 2)")),
        ((Kind::RingfenceNode, "b".to_owned()), Arc::from("b.json")),
    ]));
    world.edit("c", |c| c.pod_cidrs = vec![net("10.244.2.128/25")]);
    assert_eq!(problems(&world), ["nodes.yaml:9 (document 2) Node c spec.podCIDRs"]);
    world.edit("c", |c| (c.pod_cidrs, c.addresses) = (Vec::new(), vec![ip("10.244.2.7")]));
    assert_eq!(problems(&world), ["nodes.yaml:9 (document 2) Node c status.addresses"]);
    assert!(world.compile().problems[0].message.starts_with("10.244.2.7 lies in a pod CIDR of b"));
    world.edit("c", |c| c.addresses = vec![ip("192.0.2.3")]);
    world.keys.public.one = Some(key(4));
    assert_eq!(problems(&world), ["b.json RingfenceNode b spec.planes"]);
    world.edit("b", |b| b.uid = "another".to_owned());
    assert_eq!(problems(&world), ["b.json RingfenceNode b spec.nodeUID"]);
    world.snapshot.origins = Arc::default();
    assert_eq!(problems(&world), ["the source of objects RingfenceNode b spec.nodeUID"]);
}
