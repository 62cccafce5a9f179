//! Routes, rules, MTU and NAT of the small cluster.
use super::*;
use crate::mesh::spec::{
    BLACKHOLE_METRIC, MAIN_TABLE, PLANE_TABLES, POD_TABLE, ROUTE_METRIC, RULE_PRIORITY, RouteSpec, RouteVia,
    RuleSpec,
};
use crate::model::{ObjectName, Pod};

fn onto_mesh(table: u32, to: &str, plane: Plane, source: Option<&str>) -> RouteSpec {
    let via = RouteVia::Plane(plane, source.map(ip));
    RouteSpec { table, destination: net(to), metric: ROUTE_METRIC, via }
}

fn blackhole(table: u32, to: &str) -> RouteSpec {
    RouteSpec { table, destination: net(to), metric: BLACKHOLE_METRIC, via: RouteVia::Blackhole }
}

#[test]
fn pods_of_other_nodes_are_reached_over_the_active_plane_from_our_node_address() {
    let mut world = World::seen_by("a");
    for (epoch, plane) in [(6, Plane::Zero), (7, Plane::One)] {
        world.keys.epoch = Epoch::new(epoch).unwrap();
        let routes = world.compile().routes;
        for route in [
            onto_mesh(MAIN_TABLE, "10.244.2.0/24", plane, Some("192.0.2.1")),
            onto_mesh(MAIN_TABLE, "fd00:10:244:3::/64", plane, Some("2001:db8::1")),
            onto_mesh(POD_TABLE, "192.0.2.2/32", plane, None),
            onto_mesh(POD_TABLE, "2001:db8::3/128", plane, None),
            blackhole(MAIN_TABLE, "10.244.0.0/16"),
            blackhole(MAIN_TABLE, "fd00:10:244::/48"),
            blackhole(POD_TABLE, "192.0.2.2/32"),
            blackhole(POD_TABLE, "2001:db8::3/128"),
        ] {
            assert!(routes.contains(&route), "{route:?} is not in {routes:#?}");
        }
        // And one over each plane for what is bound to it.
        assert_eq!(routes.len(), 4 + 4 + 2 + 4 + 2);
    }
}

#[test]
fn local_pods_ask_the_table_of_node_addresses_first() {
    let rules = World::seen_by("a").compile().rules;
    let of_pods = rules.into_iter().filter(|rule| rule.plane.is_none() && rule.bound.is_none()).collect();
    let expected = BTreeSet::from([rule("10.244.1.0/24", None), rule("fd00:10:244:1::/64", None)]);
    assert_eq!(expected, of_pods);
}

#[test]
fn what_comes_off_the_mesh_and_goes_on_to_a_node_stays_on_the_mesh() {
    let rules = World::seen_by("a").compile().rules;
    for all in ["0.0.0.0/0", "::/0"] {
        for plane in Plane::ALL {
            assert!(rules.contains(&rule(all, Some(plane))), "{rules:#?}");
        }
    }
    assert_eq!(rules.iter().filter(|rule| rule.bound.is_none()).count(), 2 + 4);
}

fn rule(source: &str, plane: Option<Plane>) -> RuleSpec {
    RuleSpec { source: net(source), plane, bound: None, table: POD_TABLE, priority: RULE_PRIORITY }
}

#[test]
fn what_is_bound_to_a_planes_device_finds_a_route_over_it_where_there_is_ipv6() {
    let mut world = World::seen_by("a");
    let spec = world.compile();
    for (plane, table) in [(Plane::Zero, 1872), (Plane::One, 1873)] {
        let lookup = RuleSpec { bound: Some(plane), table, ..rule("::/0", None) };
        assert!(spec.rules.contains(&lookup), "{:#?}", spec.rules);
        let over = |route: &&RouteSpec| route.table == table;
        let routes: Vec<&RouteSpec> = spec.routes.iter().filter(over).collect();
        assert!(
            matches!(routes[..], [route] if route.via == RouteVia::Plane(plane, None) && route.destination == net("::/0")),
            "{routes:?}"
        );
    }
    world.edit("a", |a| a.addresses.retain(|address| address.is_ipv4()));
    let spec = world.compile();
    assert!(spec.rules.iter().all(|rule| rule.bound.is_none()), "{:#?}", spec.rules);
    assert!(spec.routes.iter().all(|route| route.table < PLANE_TABLES), "{:#?}", spec.routes);
}

#[test]
fn a_node_that_is_refused_or_has_no_keys_is_blackholed_for_pods_not_reached_in_the_clear() {
    let mut world = World::seen_by("a");
    world.withdraw("b");
    world.edit("c", |c| c.pod_cidrs = vec![net("10.244.2.0/24")]);
    let routes = world.compile().routes;
    for address in ["192.0.2.2/32", "2001:db8::2/128", "192.0.2.3/32", "2001:db8::3/128"] {
        assert!(routes.contains(&blackhole(POD_TABLE, address)));
    }
    let to_somebody = |route: &&RouteSpec| ![PLANE_TABLES, PLANE_TABLES + 1].contains(&route.table);
    assert!(routes.iter().filter(to_somebody).all(|route| route.via == RouteVia::Blackhole));
}

#[test]
fn pod_cidrs_outside_the_clusters_are_blackholed_one_by_one() {
    let mut world = World::seen_by("a");
    world.config.cluster_cidrs.clear();
    world.withdraw("b");
    let routes = world.compile().routes;
    for cidr in ["10.244.1.0/24", "10.244.2.0/24", "10.244.3.0/24", "fd00:10:244:2::/64"] {
        assert!(routes.contains(&blackhole(MAIN_TABLE, cidr)), "{cidr}");
    }
}

#[test]
fn the_cidr_of_a_refused_node_is_blackholed_unless_it_would_cut_into_anothers() {
    let mut world = World::seen_by("a");
    world.config.cluster_cidrs.clear();
    world.edit("c", |c| c.pod_cidrs = vec![net("10.244.2.128/25"), net("10.99.0.0/24")]);
    let routes = world.compile().routes;
    assert!(routes.contains(&blackhole(MAIN_TABLE, "10.99.0.0/24")));
    assert!(!routes.contains(&blackhole(MAIN_TABLE, "10.244.2.128/25")));
}

#[test]
fn an_address_that_two_nodes_share_with_us_is_never_routed_away() {
    let mut world = World::seen_by("a");
    world.edit("b", |b| b.addresses.push(ip("192.0.2.1")));
    let ours = |route: &RouteSpec| route.destination == net("192.0.2.1/32");
    assert!(!world.compile().routes.iter().any(ours));
}

#[test]
fn the_mtu_leaves_room_for_wireguard_on_the_family_in_use() {
    let mut world = World::seen_by("a");
    let mtu = |world: &World| world.compile().devices[&Plane::Zero].mtu;
    assert_eq!(mtu(&world), 1440, "IPv4 is preferred and in use");
    world.underlay.addresses[0].mtu = 9000;
    assert_eq!(mtu(&world), 8940, "the IPv6 address is not in use");
    world.underlay.addresses.remove(0);
    assert_eq!(mtu(&world), 1420);
    assert!(
        world.compile().warnings.iter().any(|warning| warning.contains("192.0.2.1")),
        "no such address here"
    );
}

#[test]
fn both_devices_bear_the_ipv4_transit_address_alone() {
    let spec = World::seen_by("a").compile();
    for device in spec.devices.values() {
        assert_eq!(device.addresses, BTreeSet::from([net("10.244.1.1/32")]));
    }
}

#[test]
fn an_mtu_too_small_for_ipv6_is_raised_and_warned_of() {
    let mut world = World::seen_by("a");
    world.underlay.addresses[0].mtu = 1300;
    let spec = world.compile();
    assert_eq!(spec.devices[&Plane::One].mtu, 1280);
    assert_eq!(spec.warnings.len(), 1);
}

#[test]
fn a_source_is_preferred_only_if_this_machine_has_it() {
    let mut world = World::seen_by("a");
    world.edit("a", |a| a.addresses.insert(0, ip("198.51.100.9")));
    let routes = world.compile().routes;
    assert!(routes.contains(&onto_mesh(MAIN_TABLE, "10.244.2.0/24", Plane::Zero, Some("192.0.2.1"))));
    world.edit("a", |a| a.addresses.retain(|address| *address == ip("198.51.100.9")));
    let spec = world.compile();
    assert!(spec.routes.contains(&onto_mesh(MAIN_TABLE, "10.244.2.0/24", Plane::Zero, None)));
    assert!(spec.warnings.iter().any(|warning| warning.contains("198.51.100.9")));
}

#[test]
fn nat_knows_local_pods_by_address_and_the_transit_address_of_each_family() {
    let mut world = World::seen_by("a");
    let pods = Arc::make_mut(&mut world.snapshot.pods);
    for (name, node, host_network, address) in [
        ("local", Some("a"), false, "10.244.1.5"),
        ("elsewhere", Some("b"), false, "10.244.2.5"),
        ("host", Some("a"), true, "192.0.2.1"),
        ("liar", Some("a"), false, "10.244.2.9"),
        ("pending", None, false, "10.244.1.6"),
    ] {
        let name = ObjectName::new("default", name);
        let pod = Pod {
            name: name.clone(),
            uid: name.to_string(),
            labels: Arc::new(Labels::new()),
            node: node.map(str::to_owned),
            addresses: vec![ip(address)],
            host_network,
            ports: Vec::new(),
        };
        pods.insert(name, Arc::new(pod));
    }
    let nat = world.compile().nat;
    assert_eq!(nat.local_pods, BTreeSet::from([ip("10.244.1.5")]));
    assert_eq!(nat.transit, BTreeSet::from([ip("10.244.1.1"), ip("fd00:10:244:1::1")]));
    assert_eq!(nat.preferred_sources, BTreeSet::from([ip("192.0.2.1"), ip("2001:db8::1")]));
    assert_eq!(nat.cluster_pod_cidrs, world.config.cluster_cidrs);
    assert_eq!(nat.peer_addresses.len(), 4);
}

#[test]
fn all_pods_are_locked_but_our_own_and_every_other_nodes_addresses_are_known_to_be_nodes() {
    let mut world = World::seen_by("a");
    // Refused, for its CIDRs are b's: it is a node all the same.
    world.edit("c", |node| node.pod_cidrs = vec![net("10.244.2.0/24")]);
    // An address that two Node objects name is ours.
    world.edit("b", |node| node.addresses.push(ip("192.0.2.1")));
    // And what lies in another's pod CIDR is a pod's, whoever says that it is his.
    world.edit("c", |node| node.addresses.push(ip("10.244.2.7")));
    let lock = world.compile().lock;
    assert_eq!(lock.cluster, world.config.cluster_cidrs);
    assert_eq!(lock.local, BTreeSet::from([net("10.244.1.0/24"), net("fd00:10:244:1::/64")]));
    let nodes = ["192.0.2.2", "192.0.2.3", "2001:db8::2", "2001:db8::3"];
    assert_eq!(lock.nodes, nodes.into_iter().map(ip).collect());
}
