//! What the table of Services leaves to later hooks and what it judges.
use super::world::{World, address, block, pods_here, port, rule, tcp};
use crate::model::{
    ContainerPort, Endpoint, EndpointSlice, ObjectName, Protocol, Service, ServicePort, SlicePort,
    TargetPort, TrafficPolicy,
};
use std::sync::Arc;

fn world() -> World {
    let mut world = World::new();
    world.pod("a/client", "n1", &["10.1.0.10", "fd00:1::10"], &[("app", "client")]);
    world.pod("a/near", "n1", &["10.1.0.11"], &[("app", "web")]);
    world.pod("a/far", "n2", &["10.2.0.10"], &[("app", "web")]);
    world
}

fn service(world: &mut World, change: impl Fn(&mut Service)) {
    let name = ObjectName::new("a", "web");
    let mut service = Service {
        name: name.clone(),
        selector: Some(super::world::labels(&[("app", "web")])),
        cluster_ips: vec![address("10.96.0.1"), address("fd00:96::1")],
        external_ips: vec![address("198.51.100.1")],
        external_traffic_policy: TrafficPolicy::Cluster,
        internal_traffic_policy: TrafficPolicy::Cluster,
        ports: vec![ServicePort {
            name: String::new(),
            protocol: Protocol::Tcp,
            port: 80,
            target: TargetPort::Number(8080),
            node_port: Some(30080),
        }],
    };
    change(&mut service);
    Arc::make_mut(&mut world.snapshot.services).insert(name, Arc::new(service));
}

fn slice(world: &mut World, addresses: &[&str], node: Option<&str>) {
    let name = ObjectName::new("a", "web-1");
    let endpoint =
        |a: &&str| Endpoint { addresses: vec![address(a)], ready: true, node: node.map(str::to_owned) };
    let slice = EndpointSlice {
        name: name.clone(),
        service: "web".to_owned(),
        endpoints: addresses.iter().map(endpoint).collect(),
        ports: vec![SlicePort { name: String::new(), protocol: Protocol::Tcp, port: Some(8443) }],
    };
    Arc::make_mut(&mut world.snapshot.slices).insert(name, Arc::new(slice));
}

/// Whether the isolated client may use the key; `None` if it is left to later hooks, `Err` if the key is not there.
fn judged(world: &World, text: &str, port: u16) -> Result<Option<bool>, ()> {
    let compiled = world.compile();
    let profile = compiled.endpoint("a/client").egress_profile;
    let class = compiled.tables().service_class(address(text), 6, port).ok_or(())?;
    Ok((class != 0).then(|| compiled.tables().permits(profile, class, 6, port)))
}

fn egress(world: &mut World, rules: Vec<crate::model::Rule>) {
    world.policy("a/p", &[("app", "client")], None, Some(rules));
}

#[test]
fn a_service_of_pods_is_left_to_the_hooks_that_see_the_pods() {
    let mut world = world();
    egress(&mut world, vec![]);
    service(&mut world, |_| {});
    for key in ["10.96.0.1", "fd00:96::1", "198.51.100.1"] {
        assert_eq!(judged(&world, key, 80), Ok(None), "{key}");
    }
    assert_eq!(judged(&world, "10.96.0.1", 81), Err(()));
    let compiled = world.compile();
    let marker = |a: &str| compiled.tables().service_class(address(a), 0, 0);
    assert_eq!((marker("10.96.0.1"), marker("fd00:96::1"), marker("198.51.100.1")), (Some(0), Some(0), None));
}

#[test]
fn backends_that_are_not_pods_must_all_be_allowed_at_their_own_port() {
    let mut world = world();
    service(&mut world, |s| s.selector = None);
    slice(&mut world, &["192.168.0.2", "203.0.113.7"], None);
    let blocks = |cidrs: &[&str], port| {
        vec![rule(&cidrs.iter().map(|c| block(c, &[])).collect::<Vec<_>>(), &[tcp(port)])]
    };
    egress(&mut world, blocks(&["192.168.0.2/32", "203.0.113.0/24"], 8443));
    assert_eq!(judged(&world, "10.96.0.1", 80), Ok(Some(true)));
    assert_eq!(judged(&world, "192.168.0.1", 30080), Ok(Some(true)));
    egress(&mut world, blocks(&["192.168.0.2/32"], 8443));
    assert_eq!(judged(&world, "10.96.0.1", 80), Ok(Some(false)));
    egress(&mut world, blocks(&["0.0.0.0/0"], 80));
    assert_eq!(judged(&world, "10.96.0.1", 80), Ok(Some(false)));
}

#[test]
fn a_backend_on_this_node_itself_is_always_allowed() {
    let mut world = world();
    egress(&mut world, vec![]);
    service(&mut world, |s| s.selector = None);
    slice(&mut world, &["192.168.0.1"], Some("n1"));
    assert_eq!(judged(&world, "10.96.0.1", 80), Ok(None));
    assert_eq!(judged(&world, "192.168.0.2", 30080), Ok(Some(true)));
}

#[test]
fn another_nodes_node_port_is_judged_here_by_every_backend_and_this_nodes_is_not() {
    let mut world = world();
    service(&mut world, |_| {});
    egress(&mut world, vec![rule(&[pods_here("a", &[("app", "web")])], &[tcp(8080)])]);
    assert_eq!(judged(&world, "192.168.0.2", 30080), Ok(Some(true)));
    assert_eq!(judged(&world, "192.168.0.1", 30080), Err(()));
    egress(&mut world, vec![rule(&[block("10.2.0.0/24", &[])], &[tcp(8080)])]);
    assert_eq!(judged(&world, "192.168.0.2", 30080), Ok(Some(false)));
    service(&mut world, |s| s.external_traffic_policy = TrafficPolicy::Local);
    assert_eq!(
        judged(&world, "192.168.0.2", 30080),
        Ok(Some(true)),
        "only the backends of that node are used"
    );
}

#[test]
fn another_nodes_host_port_is_judged_here_by_the_pod_behind_it() {
    let mut world = world();
    let exposed = ContainerPort { host_port: Some(9999), ..port("x", 8080, Protocol::Tcp) };
    world.pod("a/far", "n2", &["10.2.0.10"], &[("app", "web")]).ports = vec![exposed.clone()];
    world.pod("a/near", "n1", &["10.1.0.11"], &[("app", "web")]).ports = vec![exposed];
    egress(&mut world, vec![rule(&[pods_here("a", &[("app", "web")])], &[tcp(8080)])]);
    assert_eq!(judged(&world, "192.168.0.2", 9999), Ok(Some(true)));
    assert_eq!(judged(&world, "192.168.0.1", 9999), Err(()));
    egress(&mut world, vec![rule(&[block("192.168.0.0/24", &[])], &[])]);
    assert_eq!(
        judged(&world, "192.168.0.2", 9999),
        Ok(Some(false)),
        "listing the node opens nothing behind it"
    );
}

#[test]
fn a_service_that_was_there_before_anybodys_egress_was_isolated_is_judged_once_it_is() {
    let mut world = world();
    service(&mut world, |s| s.selector = None);
    slice(&mut world, &["203.0.113.9"], None);
    let mut compiler = crate::policy::Compiler::default();
    let class = |compiler: &mut crate::policy::Compiler, world: &World| {
        let tables = compiler.compile(&world.snapshot, &world.view()).tables;
        tables.service_class(address("10.96.0.1"), 6, 80)
    };
    assert_eq!(class(&mut compiler, &world), Some(0));
    egress(&mut world, vec![]);
    assert!(class(&mut compiler, &world).is_some_and(|class| class != 0));
    Arc::make_mut(&mut world.snapshot.policies).clear();
    assert_eq!(class(&mut compiler, &world), Some(0));
}

#[test]
fn where_nobody_is_isolated_for_egress_services_have_no_classes() {
    let mut world = world();
    service(&mut world, |s| s.selector = None);
    slice(&mut world, &["203.0.113.7"], None);
    assert_eq!(judged(&world, "10.96.0.1", 80), Ok(None));
    assert_eq!(judged(&world, "192.168.0.2", 30080), Err(()));
}

#[test]
fn slices_replace_the_selector_and_what_is_not_ready_does_not_count() {
    let mut world = world();
    egress(&mut world, vec![]);
    service(&mut world, |_| {});
    slice(&mut world, &["203.0.113.7"], None);
    assert_eq!(judged(&world, "10.96.0.1", 80), Ok(Some(false)));
    let slices = Arc::make_mut(&mut world.snapshot.slices);
    for slice in slices.values_mut() {
        Arc::make_mut(slice).endpoints.iter_mut().for_each(|e| e.ready = false);
    }
    assert_eq!(judged(&world, "10.96.0.1", 80), Ok(None));
}
