//! Which pods are isolated, and by which policies.
use super::world::{World, pods_here, rule, tcp};

fn world() -> World {
    let mut world = World::new();
    world.pod("a/web", "n1", &["10.1.0.10", "fd00:1::10"], &[("app", "web")]);
    world.pod("a/other", "n1", &["10.1.0.11"], &[("app", "other")]);
    world.pod("b/web", "n1", &["10.1.0.12"], &[("app", "web")]);
    world.pod("a/far", "n2", &["10.2.0.10"], &[("app", "far")]);
    world
}

#[test]
fn a_pod_that_no_policy_selects_is_isolated_in_neither_direction() {
    let mut world = world();
    world.policy("a/p", &[("app", "web")], Some(vec![]), Some(vec![]));
    let tables = world.compile();
    for pod in ["a/other", "b/web"] {
        assert_eq!((tables.endpoint(pod).ingress_profile, tables.endpoint(pod).egress_profile), (0, 0));
    }
}

#[test]
fn a_direction_that_a_policy_does_not_list_stays_open_and_an_empty_one_is_closed() {
    let mut world = world();
    world.policy("a/p", &[("app", "web")], Some(vec![]), None);
    let tables = world.compile();
    let web = tables.endpoint("a/web");
    assert!(web.ingress_profile != 0 && web.egress_profile == 0);
    assert!(!tables.from("a/web", "10.2.0.10", 6, 80) && tables.to("a/web", "10.2.0.10", 6, 80));
}

#[test]
fn what_isolates_and_allows_nothing_has_no_entries() {
    let mut world = world();
    world.policy("a/p", &[], Some(vec![]), Some(vec![]));
    let tables = world.compile();
    assert!(tables.tables().policy.is_empty() && tables.endpoint("a/web").ingress_profile != 0);
}

#[test]
fn pods_selected_by_the_same_policies_share_a_profile_and_others_do_not() {
    let mut world = world();
    world.pod("a/web2", "n1", &["10.1.0.20"], &[("app", "web")]);
    world.policy("a/p", &[("app", "web")], Some(vec![rule(&[], &[tcp(80)])]), None);
    world.policy("a/all", &[], Some(vec![]), None);
    let tables = world.compile();
    assert_eq!(tables.endpoint("a/web").ingress_profile, tables.endpoint("a/web2").ingress_profile);
    assert_ne!(tables.endpoint("a/web").ingress_profile, tables.endpoint("a/other").ingress_profile);
}

#[test]
fn policies_add_up_and_their_rules_never_combine() {
    let mut world = world();
    world.policy("a/p1", &[], Some(vec![rule(&[pods_here("a", &[("app", "far")])], &[tcp(80)])]), None);
    world.policy("a/p2", &[], Some(vec![rule(&[pods_here("a", &[("app", "other")])], &[tcp(81)])]), None);
    let tables = world.compile();
    assert!(tables.from("a/web", "10.2.0.10", 6, 80) && tables.from("a/web", "10.1.0.11", 6, 81));
    assert!(!tables.from("a/web", "10.2.0.10", 6, 81) && !tables.from("a/web", "10.1.0.11", 6, 80));
}

#[test]
fn a_sandbox_whose_pod_is_unknown_elsewhere_replaced_or_closing_passes_nothing() {
    let world = world();
    let view = world.view();
    let compiled = |change: &dyn Fn(&mut crate::policy::tables::LocalEndpoint)| {
        let mut view = view.clone();
        change(&mut view.endpoints[0]);
        let ifindex = view.endpoints[0].ifindex;
        let tables = crate::policy::Compiler::default().compile(&world.snapshot, &view).tables;
        (tables.endpoints[&ifindex].flags, tables.endpoints[&ifindex].class_v4)
    };
    assert_eq!(compiled(&|_| {}).0, 0);
    let denied = (ringfence_abi::EndpointValue::DENY_ALL, 0);
    assert_eq!(compiled(&|e| e.closing = true), denied);
    assert_eq!(compiled(&|e| e.uid = Some("another".to_owned())), denied);
    assert_eq!(compiled(&|e| e.pod.name = "unknown".to_owned()), denied);
    assert_eq!(compiled(&|e| e.pod = crate::model::ObjectName::new("a", "far")), denied);
    assert_eq!(compiled(&|e| e.uid = None).0, 0);
}
