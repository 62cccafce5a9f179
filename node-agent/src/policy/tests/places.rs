//! What an address is, and prefixes.
use super::world::{World, address, block, rule};
use crate::policy::kind_of;
use ringfence_abi::AddressKind::{self, *};

fn kinds(world: &World, addresses: &[&str]) -> Vec<AddressKind> {
    let compiled = world.compile();
    addresses.iter().map(|a| compiled.tables().locate(address(a)).kind).collect()
}

#[test]
fn addresses_are_told_apart_by_whose_they_are() {
    let mut world = World::new();
    world.pod("a/web", "n1", &["10.1.0.10"], &[]);
    world.pod("a/far", "n2", &["10.2.0.10"], &[]);
    let asked = [
        ("10.1.0.10", LocalPod),
        ("10.1.0.99", LocalPodRange),
        ("10.1.0.1", ThisNode),
        ("192.168.0.1", ThisNode),
        ("10.2.0.10", RemotePod),
        ("10.2.0.99", RemotePodRange),
        ("10.2.0.1", RemoteTransit),
        ("fd00:2::1", RemoteTransit),
        ("192.168.0.2", RemoteNode),
        ("10.77.0.1", RemotePodRange),
        ("203.0.113.1", External),
        ("2001:db8::1", External),
    ];
    let compiled = world.compile();
    for (text, kind) in asked {
        assert_eq!(compiled.tables().locate(address(text)).kind, kind, "{text}");
    }
    assert!(compiled.out.problems.is_empty());
}

#[test]
fn every_prefix_has_the_kind_and_the_blocks_of_the_addresses_that_are_in_no_smaller_one() {
    let mut world = World::new();
    world.pod("a/web", "n1", &["10.1.0.10"], &[]);
    let peers =
        [block("10.0.0.0/9", &["10.2.0.0/16"]), block("10.2.0.128/25", &[]), block("10.1.0.0/28", &[])];
    world.policy("a/p", &[], Some(vec![rule(&peers, &[])]), None);
    let compiled = world.compile();
    let asked = [
        ("10.1.0.2", LocalPodRange, true),
        ("10.1.0.200", LocalPodRange, true),
        ("10.2.0.5", RemotePodRange, false),
        ("10.2.0.200", RemotePodRange, true),
        ("10.2.7.7", RemotePodRange, false),
        ("10.3.0.0", RemotePodRange, true),
        ("10.200.0.1", RemotePodRange, false),
        ("11.0.0.1", External, false),
    ];
    for (text, kind, allowed) in asked {
        assert_eq!(compiled.tables().locate(address(text)).kind, kind, "{text}");
        assert_eq!(compiled.from("a/web", text, 6, 80), allowed, "{text}");
    }
}

#[test]
fn both_families_always_have_a_prefix_that_holds_everything_and_no_class_is_zero() {
    let tables = World::new().compile();
    assert!(tables.tables().prefixes.contains_key(&"0.0.0.0/0".parse().unwrap()));
    assert!(tables.tables().prefixes.contains_key(&"::/0".parse().unwrap()));
    assert!(tables.tables().prefixes.values().all(|v| v.class != 0));
}

#[test]
fn an_address_outside_its_nodes_pod_cidrs_is_no_pods_and_is_reported() {
    let mut world = World::new();
    world.pod("a/liar", "n2", &["10.9.0.1"], &[]);
    world.pod("a/thief", "n2", &["10.1.0.44"], &[]);
    assert_eq!(kinds(&world, &["10.9.0.1", "10.1.0.44"]), [RemotePodRange, LocalPodRange]);
    let problems = world.compile().out.problems;
    assert_eq!(problems.len(), 2);
    assert_eq!((problems[0].kind.as_str(), problems[0].field.as_str()), ("Pod", "status.podIPs"));
}

#[test]
fn a_pod_whose_node_is_not_known_yet_has_no_address() {
    let mut world = World::new();
    world.pod("a/early", "n3", &["10.3.0.5"], &[]);
    assert_eq!(kinds(&world, &["10.3.0.5"]), [RemotePodRange]);
    world.node("n3", &["10.3.0.0/24"]);
    assert_eq!(kinds(&world, &["10.3.0.5"]), [RemotePod]);
}

#[test]
fn of_nodes_with_overlapping_pod_cidrs_the_one_known_first_keeps_them() {
    let mut world = World::new();
    world.pod("a/web", "n1", &["10.1.0.10"], &[]);
    world.pod("a/far", "n2", &["10.2.0.10"], &[]);
    world.node("n0", &["10.2.0.0/25"]);
    world.pod("a/squatter", "n0", &["10.2.0.11"], &[]);
    let mut compiler = crate::policy::Compiler::default();
    let mut first = World::new();
    first.pod("a/far", "n2", &["10.2.0.10"], &[]);
    compiler.compile(&first.snapshot, &first.view());
    let out = compiler.compile(&world.snapshot, &world.view());
    let kind = |a: &str| out.tables.locate(address(a)).kind;
    assert_eq!((kind("10.2.0.10"), kind("10.2.0.11")), (RemotePod, RemotePodRange));
    assert!(out.problems.iter().any(|p| p.kind == "Node" && p.object.name == "n0"));
}

#[test]
fn pods_of_a_node_that_the_mesh_refused_are_nobodys() {
    let mut world = World::new();
    world.pod("a/far", "n2", &["10.2.0.10"], &[]);
    let mut view = world.view();
    view.refused_nodes.insert("n2".to_owned());
    let tables = crate::policy::Compiler::default().compile(&world.snapshot, &view).tables;
    assert_eq!(tables.locate(address("10.2.0.10")).kind, RemotePodRange);
    assert!(!tables.addresses.values().any(|v| kind_of(v.kind) == RemotePod));
}

#[test]
fn a_nodes_address_inside_a_pod_cidr_is_not_taken_for_the_nodes() {
    let mut world = World::new();
    world.pod("a/web", "n1", &["10.1.0.10"], &[]);
    let nodes = std::sync::Arc::make_mut(&mut world.snapshot.nodes);
    std::sync::Arc::make_mut(nodes.get_mut("n2").unwrap()).addresses.push(address("10.1.0.10"));
    assert_eq!(kinds(&world, &["10.1.0.10"]), [LocalPod]);
    assert!(world.compile().out.problems.iter().any(|p| p.kind == "Node"));
}

#[test]
fn a_host_network_pod_is_its_node() {
    let mut world = World::new();
    world.pod("a/web", "n1", &["10.1.0.10"], &[]);
    world.pod("a/host", "n2", &["192.168.0.2"], &[("app", "host")]).host_network = true;
    let peer = super::world::pods_here("a", &[("app", "host")]);
    world.policy("a/p", &[], Some(vec![rule(&[peer], &[])]), None);
    assert_eq!(kinds(&world, &["192.168.0.2"]), [RemoteNode]);
    assert!(!world.compile().from("a/web", "192.168.0.2", 6, 80));
    assert!(world.compile().out.problems.is_empty());
}
