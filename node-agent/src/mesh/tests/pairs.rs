//! A mesh of which the rotation protocol says who uses which key on which plane.
use super::*;
use crate::mesh::spec::RouteVia;

/// `a` with `b` on plane 1 alone and with `c` on plane 0, where it has `c`'s former key.
fn rotating() -> World {
    let mut world = World::seen_by("a");
    let old = key(77);
    world.keys.pairs = Pairs::Agreed(BTreeMap::from([
        ("b".to_owned(), Pair { keys: PerPlane { zero: None, one: Some(key(5)) }, route: Some(Plane::One) }),
        ("c".to_owned(), Pair { keys: PerPlane { zero: Some(old), one: None }, route: Some(Plane::Zero) }),
    ]));
    world
}

fn route(spec: &MeshSpec, destination: &str) -> Option<RouteVia> {
    let mesh = |route: &&spec::RouteSpec| {
        route.destination == net(destination) && matches!(route.via, RouteVia::Plane(..))
    };
    spec.routes.iter().find(mesh).map(|route| route.via.clone())
}

#[test]
fn peers_keys_and_routes_are_those_that_were_agreed_pair_by_pair() {
    let world = rotating();
    let spec = world.compile();
    assert_eq!(world.peers(Plane::Zero), ["c"]);
    assert_eq!(world.peers(Plane::One), ["b"]);
    assert!(spec.devices[&Plane::Zero].peers.contains_key(&key(77)));
    assert!(matches!(route(&spec, "10.244.2.0/24"), Some(RouteVia::Plane(Plane::One, _))));
    assert!(matches!(route(&spec, "192.0.2.3/32"), Some(RouteVia::Plane(Plane::Zero, None))));
}

#[test]
fn whoever_has_not_agreed_on_anything_is_no_peer_and_its_packets_are_dropped() {
    let mut world = rotating();
    let Pairs::Agreed(pairs) = &mut world.keys.pairs else { unreachable!() };
    pairs.remove("b");
    let spec = world.compile();
    assert!(world.peers(Plane::One).is_empty());
    assert_eq!(route(&spec, "10.244.2.0/24"), None);
    let dropped = |route: &spec::RouteSpec| {
        route.via == RouteVia::Blackhole && net("10.244.0.0/16") == route.destination
    };
    assert!(spec.routes.iter().any(dropped));
}

#[test]
fn no_route_leads_to_a_plane_where_its_node_is_no_peer() {
    let mut world = rotating();
    let Pairs::Agreed(pairs) = &mut world.keys.pairs else { unreachable!() };
    pairs.get_mut("b").unwrap().route = Some(Plane::Zero);
    assert_eq!(route(&world.compile(), "10.244.2.0/24"), None);
}

#[test]
fn a_plane_whose_key_is_being_replaced_has_no_peers() {
    let mut world = rotating();
    world.keys.public.zero = None;
    let spec = world.compile();
    assert_eq!(spec.devices[&Plane::Zero].public_key, None);
    assert!(world.peers(Plane::Zero).is_empty());
    assert_eq!(world.peers(Plane::One), ["b"]);
}

#[test]
fn keepalives_run_on_both_planes_while_a_rotation_is_under_way() {
    let mut world = World::seen_by("a");
    let keepalives = |world: &World| {
        let spec = world.compile();
        Plane::ALL.map(|plane| spec.devices[&plane].peers.values().map(|peer| peer.keepalive).max().unwrap())
    };
    assert_eq!(keepalives(&world), [0, DEFAULT_KEEPALIVE]);
    world.keys.rotating = true;
    assert_eq!(keepalives(&world), [DEFAULT_KEEPALIVE; 2]);
}

#[test]
fn a_node_that_publishes_anothers_key_keeps_the_keys_that_were_agreed_with_it() {
    let mut world = rotating();
    let mut stolen = published(&node("c", 3), 3).planes().to_owned();
    stolen.one.public_key = key(5);
    let c = node("c", 3);
    world.publish(Publication::new("c", &c.uid, Epoch::ZERO, stolen, &c.addresses).unwrap());
    let spec = world.compile();
    assert!(spec.refused.is_empty(), "{:?}", spec.refused);
    assert!(spec.devices[&Plane::Zero].peers.contains_key(&key(77)));
    assert_eq!(world.peers(Plane::One), ["b"]);
}
