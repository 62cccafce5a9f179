//! Work is in proportion to the change. Counted in objects looked at, not in time.
use super::world::{World, address, labels};
use crate::model::{
    Endpoint, EndpointSlice, Node, ObjectName, Protocol, Service, ServicePort, SlicePort, TargetPort,
    TrafficPolicy,
};
use crate::policy::{Compiler, effort};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

const SERVICES: u32 = 2000;

fn service(number: u32) -> Service {
    let [_, _, high, low] = number.to_be_bytes();
    Service {
        name: ObjectName::new("a", format!("s{number}")),
        selector: Some(labels(&[("app", "none")])),
        cluster_ips: vec![IpAddr::V4(Ipv4Addr::new(10, 96, high, low))],
        external_ips: Vec::new(),
        external_traffic_policy: TrafficPolicy::Cluster,
        internal_traffic_policy: TrafficPolicy::Cluster,
        ports: vec![ServicePort {
            name: String::new(),
            protocol: Protocol::Tcp,
            port: 80,
            target: TargetPort::Number(8080),
            node_port: None,
        }],
    }
}

fn slice(number: u32, backends: &[IpAddr]) -> EndpointSlice {
    EndpointSlice {
        name: ObjectName::new("a", format!("s{number}-x")),
        service: format!("s{number}"),
        endpoints: backends
            .iter()
            .map(|a| Endpoint { addresses: vec![*a], ready: true, node: None })
            .collect(),
        ports: vec![SlicePort { name: String::new(), protocol: Protocol::Tcp, port: Some(8080) }],
    }
}

/// Many Services, each with one backend outside; one isolated pod, so that they matter.
fn world() -> World {
    let mut world = World::new();
    world.pod("a/client", "n1", &["10.1.0.10"], &[("app", "client")]);
    world.policy("a/p", &[("app", "client")], None, Some(vec![]));
    for number in 0..SERVICES {
        let (service, slice) = (service(number), slice(number, &[outside(number)]));
        Arc::make_mut(&mut world.snapshot.services).insert(service.name.clone(), Arc::new(service));
        Arc::make_mut(&mut world.snapshot.slices).insert(slice.name.clone(), Arc::new(slice));
    }
    world
}

fn outside(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + number))
}

#[test]
fn a_change_of_one_service_does_not_make_the_others_anew() {
    let mut world = world();
    let mut compiler = Compiler::default();
    let (_, whole) = effort::of(|| compiler.compile(&world.snapshot, &world.view()));
    assert!(whole >= SERVICES as usize, "everything is looked at once: {whole}");

    let changed = slice(7, &[outside(7), address("10.2.0.9")]);
    Arc::make_mut(&mut world.snapshot.slices).insert(changed.name.clone(), Arc::new(changed));
    let (out, spent) = effort::of(|| compiler.compile(&world.snapshot, &world.view()));
    assert!(spent <= 30, "a backend more: {spent}");
    assert_eq!(
        out.tables.services,
        world.compile().tables().services.clone(),
        "numbers come in the same order"
    );

    let gone = ObjectName::new("a", "s9");
    Arc::make_mut(&mut world.snapshot.services).remove(&gone);
    let (out, spent) = effort::of(|| compiler.compile(&world.snapshot, &world.view()));
    assert!(spent <= 30, "one less: {spent}");
    assert_eq!(out.tables.services.len(), 2 * (SERVICES as usize - 1));
}

#[test]
fn a_pod_that_comes_concerns_only_the_services_that_lead_to_it() {
    let mut world = world();
    let mut compiler = Compiler::default();
    let led = slice(5, &[address("10.2.0.77")]);
    Arc::make_mut(&mut world.snapshot.slices).insert(led.name.clone(), Arc::new(led));
    compiler.compile(&world.snapshot, &world.view());
    world.namespace("c", &[]);
    compiler.compile(&world.snapshot, &world.view());
    world.pod("c/new", "n2", &["10.2.0.77"], &[]);
    let (out, spent) = effort::of(|| compiler.compile(&world.snapshot, &world.view()));
    assert!(spent <= 30, "{spent}");
    assert_eq!(
        out.tables.service_class(address("10.96.0.5"), 6, 80),
        Some(0),
        "it is left to the pod's hooks"
    );
}

/// Nodes that each claim two pod CIDRs and two addresses.
fn nodes(count: u32) -> World {
    let mut world = World::new();
    for number in 0..count {
        let [_, _, high, low] = number.to_be_bytes();
        let name = format!("x{number:05}");
        let cidrs = [format!("172.{}.{low}.0/24", 16 + high), format!("fd77:{number:x}::/64")];
        let node = Node {
            uid: name.clone(),
            created: String::new(),
            labels: Arc::default(),
            pod_cidrs: cidrs.iter().map(|c| c.parse().unwrap()).collect(),
            addresses: vec![
                IpAddr::V4(Ipv4Addr::new(198, 19, high, low)),
                address(&format!("fd78::{number:x}")),
            ],
            name: name.clone(),
        };
        Arc::make_mut(&mut world.snapshot.nodes).insert(name, Arc::new(node));
    }
    world
}

#[test]
fn twice_as_many_nodes_are_twice_as_much_work_and_not_four_times() {
    let spent = |count| {
        let world = nodes(count);
        let view = world.view();
        effort::of(|| Compiler::default().compile(&world.snapshot, &view)).1
    };
    let (some, twice) = (spent(1000), spent(2000));
    assert!(some >= 1000 && twice <= 2 * some + 200, "{some}, then {twice}");
    assert!(some <= 20 * 1000, "{some} for 1000 nodes");
}

#[test]
fn a_pod_that_is_attached_does_not_make_the_nodes_anew() {
    let mut world = nodes(1000);
    let mut compiler = Compiler::default();
    compiler.compile(&world.snapshot, &world.view());
    world.pod("a/new", "n1", &["10.1.0.20"], &[]);
    let (_, spent) = effort::of(|| compiler.compile(&world.snapshot, &world.view()));
    assert!(spent <= 30, "{spent}");
}
