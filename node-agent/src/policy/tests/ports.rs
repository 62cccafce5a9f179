//! Which ports a rule opens.
use super::world::{Compiled, World, port, rule, tcp};
use crate::model::{PortMatch, Protocol};
use ringfence_abi::PolicyValue;

const FAR: &str = "10.2.0.10";

fn ingress(ports: &[PortMatch]) -> Compiled {
    let mut world = World::new();
    let web = world.pod("a/web", "n1", &["10.1.0.10"], &[("app", "web")]);
    web.ports = vec![port("http", 8080, Protocol::Tcp), port("dns", 53, Protocol::Udp)];
    let twin = world.pod("a/twin", "n1", &["10.1.0.11"], &[("app", "web")]);
    twin.ports = vec![port("http", 9090, Protocol::Tcp), port("http", 9091, Protocol::Tcp)];
    world.pod("a/far", "n2", &[FAR], &[]);
    world.policy("a/p", &[("app", "web")], Some(vec![rule(&[], ports)]), None);
    world.compile()
}

fn open(compiled: &Compiled, pod: &str) -> Vec<(u8, u16)> {
    let asked = [
        (6, 79),
        (6, 80),
        (6, 90),
        (6, 91),
        (6, 8080),
        (6, 9090),
        (6, 9091),
        (17, 53),
        (17, 80),
        (132, 80),
        (1, 0),
    ];
    asked.into_iter().filter(|(protocol, port)| compiled.from(pod, FAR, *protocol, *port)).collect()
}

#[test]
fn a_rule_without_ports_covers_every_protocol() {
    assert_eq!(open(&ingress(&[]), "a/web").len(), 11);
}

#[test]
fn a_rule_with_ports_covers_only_their_protocols_and_the_others_stay_isolated() {
    assert_eq!(open(&ingress(&[tcp(80)]), "a/web"), [(6, 80)]);
    assert_eq!(open(&ingress(&[PortMatch::All(Protocol::Udp)]), "a/web"), [(17, 53), (17, 80)]);
    assert_eq!(open(&ingress(&[PortMatch::All(Protocol::Sctp)]), "a/web"), [(132, 80)]);
}

#[test]
fn end_port_is_inclusive() {
    assert_eq!(open(&ingress(&[PortMatch::Range(Protocol::Tcp, 80, 90)]), "a/web"), [(6, 80), (6, 90)]);
}

#[test]
fn a_named_port_is_the_destination_pods_own_with_the_protocol_and_each_of_several() {
    let compiled = ingress(&[PortMatch::Named(Protocol::Tcp, "http".to_owned())]);
    assert_eq!(open(&compiled, "a/web"), [(6, 8080)]);
    assert_eq!(open(&compiled, "a/twin"), [(6, 9090), (6, 9091)]);
    assert!(open(&ingress(&[PortMatch::Named(Protocol::Udp, "http".to_owned())]), "a/web").is_empty());
}

#[test]
fn an_unknown_name_and_an_entry_that_could_not_be_understood_open_nothing_and_still_isolate() {
    for ports in [PortMatch::Named(Protocol::Tcp, "nobody".to_owned()), PortMatch::Nothing] {
        let compiled = ingress(&[ports]);
        assert!(open(&compiled, "a/web").is_empty() && compiled.endpoint("a/web").ingress_profile != 0);
    }
}

#[test]
fn an_egress_rules_named_port_is_looked_up_on_each_destination() {
    let mut world = World::new();
    world.pod("a/web", "n1", &["10.1.0.10"], &[("app", "web")]).ports = vec![port("http", 1, Protocol::Tcp)];
    world.pod("a/x", "n2", &["10.2.0.10"], &[]).ports = vec![port("http", 8080, Protocol::Tcp)];
    world.pod("b/y", "n2", &["10.2.0.11"], &[]).ports = vec![port("http", 9090, Protocol::Tcp)];
    world.pod("b/z", "n2", &["10.2.0.12"], &[]);
    let named = PortMatch::Named(Protocol::Tcp, "http".to_owned());
    world.policy("a/p", &[("app", "web")], None, Some(vec![rule(&[], &[named, tcp(53)])]));
    let compiled = world.compile();
    let open = |target: &str| [53, 1, 8080, 9090].map(|port| compiled.to("a/web", target, 6, port));
    assert_eq!(open("10.2.0.10"), [true, false, true, false]);
    assert_eq!(open("10.2.0.11"), [true, false, false, true]);
    assert_eq!(open("10.2.0.12"), [true, false, false, false]);
    assert_eq!(open("203.0.113.1"), [true, false, false, false]);
}

#[test]
fn equal_port_sets_share_a_bitmap_whatever_way_they_are_written() {
    let mut world = World::new();
    world.pod("a/web", "n1", &["10.1.0.10"], &[("app", "web")]);
    world.pod("a/two", "n1", &["10.1.0.11"], &[("app", "two")]);
    let range = |a, b| PortMatch::Range(Protocol::Tcp, a, b);
    world.policy("a/p", &[("app", "web")], Some(vec![rule(&[], &[range(80, 82)])]), None);
    world.policy(
        "a/q",
        &[("app", "two")],
        Some(vec![rule(&[], &[range(81, 82), range(80, 81), range(80, 80)])]),
        None,
    );
    let tables = world.compile();
    assert_eq!(tables.tables().bitmaps.len(), 1);
    assert!(*tables.tables().bitmaps.keys().next().unwrap() >= PolicyValue::FIRST_BITMAP);
}
