//! Nodes, namespaces, addresses and ports that are filled in.
use super::support::{accept, addresses, directory, node, node_of, pod, pods};
use crate::model::ObjectName;
use crate::watch::directory::{Families, Loaded, Mode, Options, apply, read_all};

fn nodes(loaded: &Loaded) -> Vec<String> {
    let joined = |list: Vec<String>| list.join(" ");
    let describe = |n: &crate::model::Node| {
        let cidrs = joined(n.pod_cidrs.iter().map(ToString::to_string).collect());
        format!("{}: {} | {cidrs}", n.name, joined(n.addresses.iter().map(ToString::to_string).collect()))
    };
    loaded.nodes.values().map(|n| describe(&n.value)).collect()
}

#[test]
fn nodes_default_to_three_with_addresses_and_pod_cidrs_of_both_families() {
    let expected = [
        "node1: 10.88.0.11 fd00:10:88::11 | 10.244.1.0/24 fd00:10:244:1::/64",
        "node2: 10.88.0.12 fd00:10:88::12 | 10.244.2.0/24 fd00:10:244:2::/64",
        "node3: 10.88.0.13 fd00:10:88::13 | 10.244.3.0/24 fd00:10:244:3::/64",
    ];
    assert_eq!(nodes(&accept("").unwrap()), expected);
    assert_eq!(nodes(&accept(&pod("a", "", "")).unwrap()), expected);
}

#[test]
fn nodes_that_pods_name_are_made_and_filled_up_to_three_unless_some_are_declared() {
    let names = |text: &str| accept(text).unwrap().nodes.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&pod("a", "nodeName: w1", "")), ["node1", "node2", "w1"]);
    assert_eq!(names(&pod("a", "nodeName: node2", "")), ["node1", "node2", "node3"]);
    assert_eq!(names(&(pod("a", "nodeName: w1", "") + &node("w2", "", ""))), ["w1", "w2"]);
    let directory = directory(&[("a.yaml", &pod("a", "", ""))]);
    let two =
        read_all(&[directory.path()], Options { nodes: 2, families: Families::V4, ..Options::default() })
            .unwrap();
    assert_eq!(nodes(&two), ["node1: 10.88.0.11 | 10.244.1.0/24", "node2: 10.88.0.12 | 10.244.2.0/24"]);
}

#[test]
fn nodes_keep_what_they_name_and_defaults_avoid_it() {
    let address = |ip: &str| format!("status: {{addresses: [{{type: InternalIP, address: {ip}}}]}}");
    let text = node("a", "podCIDRs: [10.244.2.0/23]", "")
        + &node("b", "", &address("10.88.0.13"))
        + &node("c", "", "");
    assert_eq!(
        nodes(&accept(&text).unwrap()),
        [
            "a: 10.88.0.11 | 10.244.2.0/23",
            "b: 10.88.0.13 | 10.244.4.0/24",
            "c: 10.88.0.14 fd00:10:88::13 | 10.244.5.0/24 fd00:10:244:3::/64",
        ]
    );
}

#[test]
fn made_objects_have_the_labels_that_kubernetes_sets() {
    let loaded = accept(&(pod("a", "", "") + &node("n", "", ""))).unwrap();
    assert_eq!(loaded.namespaces["ns"].value.labels["kubernetes.io/metadata.name"], "ns");
    let labels = &loaded.nodes["n"].value.labels;
    assert_eq!((&*labels["kubernetes.io/hostname"], &*labels["kubernetes.io/os"]), ("n", "linux"));
}

#[test]
fn pods_go_round_the_nodes_by_name_and_to_the_emptier_ones_first() {
    let text: String = ["d", "c", "b", "a"].map(|name| pod(name, "", "")).concat();
    let loaded = accept(&text).unwrap();
    assert_eq!(["a", "b", "c", "d"].map(|p| node_of(&loaded, p)), ["node1", "node2", "node3", "node1"]);
    let loaded =
        accept(&(text + &pod("e", "nodeName: node1", "") + &pod("f", "nodeName: node1", ""))).unwrap();
    assert_eq!(["a", "b", "c", "d"].map(|p| node_of(&loaded, p)), ["node2", "node3", "node2", "node3"]);
}

#[test]
fn a_node_selector_chooses_among_nodes_and_is_ignored_if_it_allows_none() {
    let nodes = node("a", "", "") + &node("b", "", "").replace("name: b", "name: b, labels: {disk: ssd}");
    let loaded = accept(
        &(nodes + &pod("p", "nodeSelector: {disk: ssd}", "") + &pod("q", "nodeSelector: {disk: x}", "")),
    )
    .unwrap();
    assert_eq!((node_of(&loaded, "p"), node_of(&loaded, "q")), ("b".to_owned(), "a".to_owned()));
}

#[test]
fn pods_keep_their_addresses_and_others_get_the_lowest_free_ones() {
    let kept = pod("k", "nodeName: n", "status: {podIPs: [{ip: 10.1.0.3}]}");
    let text = node("n", "podCIDRs: [10.1.0.0/29, 'fd01::/125']", "")
        + &kept
        + &pod("a", "", "")
        + &pod("b", "", "");
    let loaded = accept(&text).unwrap();
    assert_eq!(addresses(&loaded, "k"), "10.1.0.3");
    assert_eq!(addresses(&loaded, "a"), "10.1.0.2 fd01::2");
    assert_eq!(addresses(&loaded, "b"), "10.1.0.4 fd01::3");
}

#[test]
fn a_host_network_pod_has_its_nodes_addresses() {
    let loaded = accept(&pod("h", "hostNetwork: true, nodeName: node2", "")).unwrap();
    assert_eq!(addresses(&loaded, "h"), "10.88.0.12 fd00:10:88::12");
}

#[test]
fn a_full_pod_cidr_is_an_error_that_names_pod_and_node() {
    let text = node("n", "podCIDRs: [10.1.0.0/30]", "") + &pod("a", "", "");
    assert_eq!(
        addresses(&accept(&text).unwrap(), "a"),
        "10.1.0.2",
        "the last but one; the last is for broadcast"
    );
    let errors = accept(&(text + &pod("b", "", ""))).unwrap_err().to_string();
    assert!(
        errors.contains("Pod ns/b: status.podIPs: there is no address left for it in 10.1.0.0/30 of node n"),
        "{errors}"
    );
}

#[test]
fn completed_pods_are_not_there() {
    let text = pod("a", "", "status: {phase: Succeeded}") + &pod("b", "", "");
    assert_eq!(pods(&accept(&text).unwrap()), ["ns/b"]);
}

fn service(name: &str, spec: &str) -> String {
    format!(
        "---\n{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: ns}}, spec: {{{spec} ports: [{{port: 80}}]}}}}\n"
    )
}

#[test]
fn services_get_cluster_ips_of_the_families_they_want_and_node_ports() {
    let text = service("a", "")
        + &service("b", "ipFamilies: [IPv6],")
        + &service("c", "ipFamilyPolicy: SingleStack, type: NodePort,")
        + &service("d", "clusterIP: 10.96.0.16, type: LoadBalancer,")
        + &service("e", "clusterIP: None,")
        + &service("f", "ipFamilies: [IPv6, IPv4], ipFamilyPolicy: RequireDualStack,");
    let loaded = accept(&text).unwrap();
    let of = |name: &str| {
        let service = &loaded.services[&ObjectName::new("ns", name)].value;
        let ips: Vec<_> = service.cluster_ips.iter().map(ToString::to_string).collect();
        (ips.join(" "), service.ports[0].node_port)
    };
    assert_eq!(of("a"), ("10.96.0.17 fd00:10:96::10".into(), None));
    assert_eq!(of("b"), ("fd00:10:96::11".into(), None));
    assert_eq!(of("c"), ("10.96.0.18".into(), Some(30000)));
    assert_eq!(of("d"), ("10.96.0.16".into(), Some(30001)));
    assert_eq!(of("e"), (String::new(), None));
    assert_eq!(of("f"), ("fd00:10:96::12 10.96.0.19".into(), None));
}

#[test]
fn what_was_filled_in_stays_when_something_is_applied() {
    let base = accept(&(pod("b", "", "") + &pod("c", "", "") + &service("b", "type: NodePort,"))).unwrap();
    let more = pod("a", "", "")
        + &pod("b", "", "")
        + &service("a", "type: NodePort,")
        + &service("b", "type: NodePort,")
        + &node("node2", "", "");
    let directory = directory(&[("a.yaml", &more)]);
    let after = apply(&base, &[directory.path()], Options::default()).unwrap();
    for name in ["b", "c"].map(|n| ObjectName::new("ns", n)) {
        assert_eq!(after.pods[&name].value, base.pods[&name].value);
    }
    let b = ObjectName::new("ns", "b");
    assert_eq!(after.services[&b].value, base.services[&b].value);
    assert_eq!(after.nodes.len(), 3);
    assert_eq!(after.nodes["node2"].value, base.nodes["node2"].value);
    assert_eq!(node_of(&after, "a"), "node3", "the emptiest");
    let previous = Options { mode: Mode::Accept, previous: Some(&base), ..Options::default() };
    let only = super::support::directory(&[("a.yaml", &(pod("a", "", "") + &pod("b", "", "")))]);
    let again = read_all(&[only.path()], previous).unwrap();
    assert_eq!(again.pods[&b].value, base.pods[&b].value);
    assert!(!again.pods.contains_key(&ObjectName::new("ns", "c")), "only apply keeps what is not mentioned");
}
