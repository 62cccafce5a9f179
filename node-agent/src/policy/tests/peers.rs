//! Who matches a peer.
use super::world::{World, block, pods_here, pods_of, rule, selector};
use crate::model::{Expression, Operator, Peer};

const OUTSIDE: &str = "203.0.113.9";

fn world(peers: &[Peer]) -> World {
    let mut world = World::new();
    world.pod("a/web", "n1", &["10.1.0.10", "fd00:1::10"], &[("app", "web")]);
    world.pod("a/near", "n1", &["10.1.0.11"], &[("app", "x")]);
    world.pod("a/far", "n2", &["10.2.0.10", "fd00:2::10"], &[("app", "x"), ("empty", "")]);
    world.pod("b/far", "n2", &["10.2.0.11"], &[("app", "x")]);
    world.policy("a/p", &[("app", "web")], Some(vec![rule(peers, &[])]), None);
    world
}

fn admits(peers: &[Peer]) -> Vec<&'static str> {
    let compiled = world(peers).compile();
    let all = ["10.1.0.11", "10.2.0.10", "fd00:2::10", "10.2.0.11", "192.168.0.2", OUTSIDE, "2001:db8::1"];
    all.into_iter().filter(|source| compiled.from("a/web", source, 6, 80)).collect()
}

#[test]
fn no_peers_match_every_source() {
    assert_eq!(admits(&[]).len(), 7);
}

#[test]
fn an_empty_namespace_selector_is_every_pod_and_nobody_else() {
    assert_eq!(admits(&[pods_of(&[], &[])]), ["10.1.0.11", "10.2.0.10", "fd00:2::10", "10.2.0.11"]);
}

#[test]
fn a_bare_pod_selector_is_the_policys_own_namespace() {
    assert_eq!(admits(&[pods_here("a", &[("app", "x")])]), ["10.1.0.11", "10.2.0.10", "fd00:2::10"]);
}

#[test]
fn both_selectors_must_hold() {
    assert_eq!(admits(&[pods_of(&[("team", "b")], &[("app", "x")])]), ["10.2.0.11"]);
    assert!(admits(&[pods_of(&[("team", "b")], &[("app", "web")])]).is_empty());
}

#[test]
fn a_peer_that_could_not_be_understood_matches_nothing() {
    assert!(admits(&[Peer::Nothing]).is_empty());
}

#[test]
fn blocks_match_pods_and_nodes_too_and_one_familys_says_nothing_about_the_other() {
    assert_eq!(admits(&[block("10.2.0.0/28", &[])]), ["10.2.0.10", "10.2.0.11"]);
    assert_eq!(
        admits(&[block("0.0.0.0/0", &[])]),
        ["10.1.0.11", "10.2.0.10", "10.2.0.11", "192.168.0.2", OUTSIDE]
    );
    assert_eq!(admits(&[block("::/0", &[])]), ["fd00:2::10", "2001:db8::1"]);
}

#[test]
fn what_one_peer_excepts_another_may_allow() {
    assert_eq!(admits(&[block("10.2.0.0/24", &["10.2.0.10/32"])]), ["10.2.0.11"]);
    let both = [block("10.2.0.0/24", &["10.2.0.10/32"]), pods_here("a", &[("empty", "")])];
    assert_eq!(admits(&both), ["10.2.0.10", "fd00:2::10", "10.2.0.11"]);
}

#[test]
fn an_exception_wider_than_its_block_leaves_nothing_of_it() {
    assert!(admits(&[block("10.2.0.0/28", &["10.2.0.0/16"])]).is_empty());
}

#[test]
fn not_in_and_does_not_exist_match_where_the_key_is_absent_and_an_empty_value_needs_its_key() {
    let by = |operator, key: &str, values: &[&str]| {
        let mut pods = selector(&[]);
        let values = values.iter().map(|v| (*v).to_owned()).collect();
        pods.expressions.push(Expression { key: key.to_owned(), operator, values });
        admits(&[Peer::Pods { namespaces: crate::model::NamespaceMatch::Named("a".to_owned()), pods }])
    };
    assert_eq!(by(Operator::NotIn, "empty", &["y"]), ["10.1.0.11", "10.2.0.10", "fd00:2::10"]);
    assert_eq!(by(Operator::DoesNotExist, "empty", &[]), ["10.1.0.11"]);
    assert_eq!(by(Operator::NotIn, "empty", &[""]), ["10.1.0.11"]);
    assert_eq!(admits(&[pods_here("a", &[("empty", "")])]), ["10.2.0.10", "fd00:2::10"]);
    assert!(admits(&[pods_here("a", &[("absent", "")])]).is_empty());
}

#[test]
fn a_namespace_that_is_not_known_yet_matches_only_what_asks_nothing_of_it() {
    let mut negative = selector(&[]);
    negative.expressions.push(Expression {
        key: "k".to_owned(),
        operator: Operator::DoesNotExist,
        values: vec![],
    });
    let peer =
        Peer::Pods { namespaces: crate::model::NamespaceMatch::Selected(negative), pods: selector(&[]) };
    let mut world = world(&[peer]);
    world.pod("c/new", "n2", &["10.2.0.20"], &[]);
    assert!(
        !world.compile().from("a/web", "10.2.0.20", 6, 80)
            && world.compile().from("a/web", "10.2.0.11", 6, 80)
    );
    world.policy("a/p", &[("app", "web")], Some(vec![rule(&[pods_of(&[], &[])], &[])]), None);
    assert!(world.compile().from("a/web", "10.2.0.20", 6, 80));
}

#[test]
fn pods_that_no_policy_tells_apart_share_a_class() {
    let compiled = world(&[pods_here("a", &[("app", "x")])]).compile();
    assert_eq!(compiled.class("10.1.0.11"), compiled.class("10.2.0.10"));
    assert_ne!(compiled.class("10.2.0.10"), compiled.class("10.2.0.11"));
    assert_eq!(compiled.class("10.2.0.11"), compiled.class(OUTSIDE));
}

#[test]
fn a_transit_address_matches_only_peers_that_match_every_source_of_its_family() {
    let transit = |peers: &[Peer]| {
        let compiled = world(peers).compile();
        let profile = compiled.endpoint("a/web").ingress_profile;
        let by_config =
            compiled.tables().transit_class.map(|class| compiled.tables().permits(profile, class, 6, 80));
        let by_address = ["10.2.0.1", "fd00:2::1"].map(|a| compiled.from("a/web", a, 6, 80));
        assert_eq!(by_config, by_address);
        by_config
    };
    assert_eq!(transit(&[]), [true, true]);
    assert_eq!(transit(&[block("0.0.0.0/0", &[])]), [true, false]);
    assert_eq!(
        transit(&[block("10.2.0.0/24", &[]), block("0.0.0.0/0", &["198.51.100.0/24"])]),
        [false, false]
    );
    assert_eq!(transit(&[pods_of(&[], &[])]), [false, false]);
}
