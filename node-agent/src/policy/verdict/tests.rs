//! What an answer names, and the ways a connection may take. Verdicts as such are held against data and evaluator.
use super::{Engine, VerdictError};
use crate::model::{ObjectName, Protocol};
use crate::policy::tests::world::{World, address, block, pods_here, rule, tcp};
use crate::watch::queries::{Answer, Decider, Party, Resolved, Verdict};

fn pod(name: &str) -> Party {
    let (namespace, name) = name.split_once('/').unwrap();
    Party::Pod(ObjectName::new(namespace, name))
}

fn world() -> World {
    let mut world = World::new();
    world.pod("a/client", "n1", &["10.1.0.10"], &[("app", "client")]);
    world.pod("a/server", "n2", &["10.2.0.10"], &[("app", "server")]);
    world
}

fn ask(world: &World, from: (Party, &str), to: (Party, &str), port: u16) -> Result<Answer, VerdictError> {
    let question = Resolved {
        from: from.0,
        source: address(from.1),
        to: to.0,
        destination: Some(address(to.1)),
        port,
        protocol: Protocol::Tcp,
    };
    Engine::new(world.snapshot.clone(), Vec::new()).answer(&question)
}

fn client_to_server(world: &World, port: u16) -> Answer {
    ask(world, (pod("a/client"), "10.1.0.10"), (pod("a/server"), "10.2.0.10"), port).unwrap()
}

fn decider(name: &str, rule: Option<usize>) -> Decider {
    Decider::network_policy(&ObjectName::new("a", name), rule)
}

#[test]
fn where_nobody_is_isolated_nobody_decided() {
    let answer = client_to_server(&world(), 80);
    assert_eq!(answer.verdict, Verdict::Allow);
    assert!(answer.ingress.unwrap().policies.is_empty() && answer.egress.unwrap().policies.is_empty());
}

#[test]
fn an_allowed_direction_names_every_rule_that_allows_and_a_denied_one_the_policies_that_isolate() {
    let mut world = world();
    let client = || pods_here("a", &[("app", "client")]);
    let rules =
        vec![rule(&[], &[tcp(81)]), rule(&[client()], &[tcp(80)]), rule(&[block("10.1.0.0/24", &[])], &[])];
    world.policy("a/in", &[("app", "server")], Some(rules), None);
    world.policy("a/in2", &[], Some(vec![rule(&[client()], &[])]), None);
    world.policy("a/out", &[("app", "client")], None, Some(vec![]));
    let answer = client_to_server(&world, 80);
    assert_eq!(answer.verdict, Verdict::Deny);
    let (ingress, egress) = (answer.ingress.unwrap(), answer.egress.unwrap());
    assert_eq!(ingress.verdict, Verdict::Allow);
    assert_eq!(ingress.policies, [decider("in", Some(1)), decider("in", Some(2)), decider("in2", Some(0))]);
    assert_eq!((egress.verdict, egress.policies), (Verdict::Deny, vec![decider("out", None)]));
}

#[test]
fn a_pod_and_its_own_node_and_a_pod_and_itself_are_never_kept_apart() {
    let mut world = world();
    world.policy("a/p", &[], Some(vec![]), Some(vec![]));
    let node = |n: &str| Party::Node(n.to_owned());
    let verdict = |from, to| ask(&world, from, to, 80).unwrap().verdict;
    let client = || (pod("a/client"), "10.1.0.10");
    assert_eq!(verdict((node("n1"), "192.168.0.1"), client()), Verdict::Allow);
    assert_eq!(verdict(client(), (node("n1"), "192.168.0.1")), Verdict::Allow);
    assert_eq!(verdict(client(), client()), Verdict::Allow);
    assert_eq!(verdict((node("n2"), "192.168.0.2"), client()), Verdict::Deny);
    assert_eq!(verdict(client(), (node("n2"), "192.168.0.2")), Verdict::Deny);
}

#[test]
fn what_does_not_exist_is_an_error_that_names_it() {
    let unknown = ask(&world(), (pod("a/nobody"), "10.1.0.99"), (pod("a/server"), "10.2.0.10"), 80);
    assert_eq!(unknown, Err(VerdictError::NoPod(ObjectName::new("a", "nobody"))));
    let service = Party::Service(ObjectName::new("a", "svc"));
    let from = ask(&world(), (service, "10.96.0.1"), (pod("a/server"), "10.2.0.10"), 80);
    assert_eq!(from, Err(VerdictError::FromService(ObjectName::new("a", "svc"))));
}

#[test]
fn a_service_without_an_address_of_the_family_answers_nobody() {
    let world = world();
    let question = Resolved {
        from: pod("a/client"),
        source: address("10.1.0.10"),
        to: Party::Service(ObjectName::new("a", "svc")),
        destination: None,
        port: 80,
        protocol: Protocol::Tcp,
    };
    let answer = Engine::new(world.snapshot.clone(), Vec::new()).answer(&question).unwrap();
    assert_eq!(answer.verdict, Verdict::Deny);
    assert!(answer.reason.unwrap().contains("no address of this family"));
}
