use super::*;
use crate::watch::directory::{Mode, read};
use std::collections::BTreeSet;

const CLUSTER: &str = "
{apiVersion: v1, kind: Node, metadata: {name: n1}, spec: {podCIDRs: [10.244.1.0/24]},
 status: {addresses: [{type: InternalIP, address: 172.30.0.11}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2}, spec: {podCIDRs: [10.244.2.0/24]},
 status: {addresses: [{type: InternalIP, address: 172.30.0.12}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, labels: {app: db}}, status: {podIPs: [{ip: 10.244.1.5}]},
 spec: {nodeName: n1, containers: [{name: c, ports: [{name: sql, containerPort: 5432}]}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: shop, labels: {app: db}}, status: {podIPs: [{ip: 10.244.2.5}]},
 spec: {nodeName: n2, containers: [{name: c, ports: [{name: sql, containerPort: 6432}]}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: other, labels: {app: db}}, status: {podIPs: [{ip: 10.244.2.6}]},
 spec: {nodeName: n2, containers: [{name: c, ports: [{name: sql, containerPort: 1}]}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop},
 spec: {type: NodePort, clusterIPs: [10.96.0.5], selector: {app: db}, externalTrafficPolicy: POLICY,
        ports: [{port: 80, targetPort: sql, nodePort: 30080}]}}
";

fn entries_with(policy: &str) -> Vec<Entry> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("all.yaml"), CLUSTER.replace("POLICY", policy)).unwrap();
    let loaded = read(directory.path(), Mode::Accept).unwrap();
    entries(&loaded.snapshot()).into_iter().filter(|e| e.ipv4).collect()
}

fn nodes_reached(policy: &str, client: Option<&str>, to: &str, node: Option<&str>) -> Vec<String> {
    let entries = entries_with(policy);
    let reached = reached(&entries, client, to.parse().unwrap(), Protocol::Tcp, node);
    reached.unwrap().iter().map(|b| b.at.to_string()).collect()
}

#[test]
fn backends_are_the_selected_pods_of_the_own_namespace_each_with_its_own_number_of_a_named_port() {
    let entries = entries_with("Cluster");
    let at: Vec<String> = entries[0].backends.iter().map(|b| b.at.to_string()).collect();
    assert_eq!(at, ["10.244.1.5:5432", "10.244.2.5:6432"]);
}

#[test]
fn a_node_port_of_policy_local_leads_to_the_dialled_nodes_backends_except_from_that_node() {
    let port = "172.30.0.12:30080";
    assert_eq!(nodes_reached("Local", None, port, Some("n2")), ["10.244.2.5:6432"]);
    assert_eq!(nodes_reached("Local", Some("n1"), port, Some("n2")), ["10.244.2.5:6432"]);
    assert_eq!(nodes_reached("Local", Some("n2"), port, Some("n2")).len(), 2);
    assert_eq!(nodes_reached("Cluster", None, port, Some("n2")).len(), 2);
}

#[test]
fn what_is_no_service_reaches_no_backends() {
    let entries = entries_with("Cluster");
    for to in ["10.96.0.5:81", "172.30.0.12:30081", "10.244.1.5:5432"] {
        assert_eq!(reached(&entries, None, to.parse().unwrap(), Protocol::Tcp, Some("n2")), None, "{to}");
    }
}

#[test]
fn everything_but_pods_is_masqueraded_to_a_cluster_ip_and_everything_to_a_node_port_of_policy_cluster() {
    let pods = BTreeSet::from(["10.244.0.0/16".parse().unwrap()]);
    let text = ruleset(&entries_with("Cluster"), "n1", &pods);
    let chain = |name: &str| {
        let (_, rest) = text.split_once(&format!("chain {name} {{\n")).unwrap();
        rest.split_once('}').unwrap().0.to_owned()
    };
    assert!(chain("svc0-in").starts_with("ip saddr != @pods4 meta mark set meta mark or 0x4000"), "{text}");
    assert!(chain("svc0-ext").starts_with("meta mark set meta mark or 0x4000"), "{text}");
    assert!(text.contains("tcp . 30080 : goto svc0-ext"), "{text}");
    let local = ruleset(&entries_with("Local"), "n1", &pods);
    assert!(local.contains("chain svc0-ext {\nip saddr @pods4 goto svc0-all\n"), "{local}");
    assert!(local.contains("fib saddr type local goto svc0-all\ngoto svc0-0\n}"), "{local}");
}
