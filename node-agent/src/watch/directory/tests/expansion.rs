//! Workloads into pods.
use super::support::{accept, essence, node, pods, write_all};
use crate::model::ObjectName;
use crate::watch::directory::{Mode, Options, apply, read};

fn workload(kind: &str, name: &str, spec: &str) -> String {
    let version = if kind.ends_with("Job") { "batch/v1" } else { "apps/v1" };
    let template =
        "{metadata: {labels: {app: x}}, spec: {containers: [{name: c, ports: [{containerPort: 80}]}]}}";
    let selector = if kind.ends_with("Job") { "" } else { "selector: {matchLabels: {app: x}}," };
    let spec = match kind {
        "CronJob" => format!("jobTemplate: {{spec: {{{spec} template: {template}}}}}"),
        _ => format!("{selector} {spec} template: {template}"),
    };
    format!(
        "---\n{{apiVersion: {version}, kind: {kind}, metadata: {{name: {name}, namespace: ns}}, spec: {{{spec}}}}}\n"
    )
}

#[test]
fn workloads_become_pods_that_are_numbered_from_0() {
    let cases = [
        (workload("Deployment", "web", "replicas: 3,"), vec!["ns/web-0", "ns/web-1", "ns/web-2"]),
        (workload("StatefulSet", "db", "replicas: 2,"), vec!["ns/db-0", "ns/db-1"]),
        (workload("ReplicaSet", "rs", ""), vec!["ns/rs-0"]),
        (workload("Deployment", "web", "replicas: 0,"), vec![]),
        (workload("Job", "job", "parallelism: 2,"), vec!["ns/job-0", "ns/job-1"]),
        (workload("CronJob", "cron", ""), vec!["ns/cron-0"]),
        (workload("DaemonSet", "ds", ""), vec!["ns/ds-0", "ns/ds-1", "ns/ds-2"]),
    ];
    for (text, expected) in cases {
        assert_eq!(pods(&accept(&text).unwrap()), expected, "{text}");
    }
}

#[test]
fn replicas_are_spread_over_the_nodes_and_a_daemon_set_is_on_each_once() {
    for kind in ["Deployment", "DaemonSet"] {
        let loaded =
            accept(&workload(kind, "x", if kind == "Deployment" { "replicas: 3," } else { "" })).unwrap();
        let nodes: Vec<_> = loaded.pods.values().map(|p| p.value.node.clone().unwrap()).collect();
        assert_eq!(nodes, ["node1", "node2", "node3"], "{kind}");
    }
}

#[test]
fn a_daemon_set_is_only_where_its_node_selector_allows() {
    let nodes = node("a", "", "").replace("name: a", "name: a, labels: {disk: ssd}") + &node("b", "", "");
    let text = workload("DaemonSet", "ds", "")
        .replace("spec: {containers", "spec: {nodeSelector: {disk: ssd}, containers");
    let loaded = accept(&format!("{nodes}{text}")).unwrap();
    assert_eq!(pods(&loaded), ["ns/ds-0"]);
    assert_eq!(loaded.pods.values().next().unwrap().value.node.as_deref(), Some("a"));
    let linux = text.replace("disk: ssd", "kubernetes.io/os: linux");
    assert_eq!(accept(&format!("{nodes}{linux}")).unwrap().pods.len(), 2);
}

#[test]
fn pods_have_the_labels_that_their_controllers_give_them() {
    let text = workload("StatefulSet", "db", "replicas: 2,") + &workload("Job", "job", "");
    let loaded = accept(&text).unwrap();
    let labels = |name: &str| loaded.pods[&ObjectName::new("ns", name)].value.labels.clone();
    assert_eq!(labels("db-1")["statefulset.kubernetes.io/pod-name"], "db-1");
    assert_eq!(labels("db-1")["apps.kubernetes.io/pod-index"], "1");
    assert_eq!(labels("job-0")["batch.kubernetes.io/job-name"], "job");
    assert_eq!(labels("job-0")["app"], "x");
}

#[test]
fn a_taken_name_is_passed_over_and_stateful_sets_have_theirs() {
    let pod = super::support::pod("web-1", "", "");
    let text = format!(
        "{pod}{}{}",
        workload("Deployment", "web", "replicas: 2,"),
        workload("StatefulSet", "web", "")
    );
    let loaded = accept(&text).unwrap();
    assert_eq!(pods(&loaded), ["ns/web-0", "ns/web-1", "ns/web-2", "ns/web-3"]);
    assert_eq!(loaded.owner(&ObjectName::new("ns", "web-0")), Some(("StatefulSet".into(), "web".into())));
    assert_eq!(loaded.owner(&ObjectName::new("ns", "web-1")), None);
}

#[test]
fn a_dump_of_a_cluster_is_not_expanded_again() {
    let owned = |text: String, kind: &str, name: &str, own: &str| {
        let owner =
            format!("ownerReferences: [{{kind: {kind}, name: {name}, controller: true}}], name: {own}");
        text.replacen(&format!("name: {own}"), &owner, 1)
    };
    let deployment = workload("Deployment", "web", "replicas: 3,");
    let set = owned(workload("ReplicaSet", "web-5d", "replicas: 3,"), "Deployment", "web", "web-5d");
    let pod = owned(super::support::pod("web-5d-x1", "", ""), "ReplicaSet", "web-5d", "web-5d-x1");
    assert_eq!(pods(&accept(&format!("{deployment}{set}{pod}")).unwrap()), ["ns/web-5d-x1"]);
    assert_eq!(pods(&accept(&format!("{deployment}{set}")).unwrap()), ["ns/web-0", "ns/web-1", "ns/web-2"]);
    assert_eq!(pods(&accept(&set).unwrap()).len(), 3, "its Deployment is not here");
}

#[test]
fn expanded_pods_survive_being_written_back() {
    let text = workload("StatefulSet", "db", "replicas: 2,")
        + &workload("CronJob", "cron", "")
        + &workload("DaemonSet", "ds", "");
    let before = accept(&text).unwrap();
    let directory = tempfile::tempdir().unwrap();
    write_all(&before, directory.path());
    let after = read(directory.path(), Mode::Accept).unwrap();
    assert_eq!(essence(&before), essence(&after));
    assert_eq!(after.owner(&ObjectName::new("ns", "db-0")), Some(("StatefulSet".into(), "db".into())));
}

#[test]
fn applying_a_workload_again_replaces_its_pods_and_keeps_their_places() {
    let base =
        accept(&(workload("Deployment", "web", "replicas: 3,") + &super::support::pod("a", "", ""))).unwrap();
    let directory = super::support::directory(&[("w.yaml", &workload("Deployment", "web", "replicas: 2,"))]);
    // As the lab does: the base was written and read again.
    let written = tempfile::tempdir().unwrap();
    write_all(&base, written.path());
    for base in [&base, &read(written.path(), Mode::Accept).unwrap()] {
        let after = apply(base, &[directory.path()], Options::default()).unwrap();
        assert_eq!(pods(&after), ["ns/a", "ns/web-0", "ns/web-1"]);
        for name in after.pods.keys() {
            assert_eq!(after.pods[name].value, base.pods[name].value);
        }
    }
}

#[test]
fn endpoints_of_a_service_without_selector_become_slices_and_others_do_not() {
    let endpoints = "---\n{apiVersion: v1, kind: Endpoints, metadata: {name: db, namespace: ns}, subsets: [{addresses: \
                     [{ip: 192.0.2.7, nodeName: n}, {ip: 'fd00::7'}], notReadyAddresses: [{ip: 192.0.2.8}], ports: [{name: sql, port: 5432}]}]}\n";
    let service = |spec: &str| {
        format!(
            "---\n{{apiVersion: v1, kind: Service, metadata: {{name: db, namespace: ns}}, spec: {{{spec} ports: [{{name: sql, port: 1}}]}}}}\n"
        )
    };
    let loaded = accept(&format!("{endpoints}{}", service(""))).unwrap();
    let slices: Vec<_> = loaded
        .slices
        .values()
        .map(|s| (&*s.value.service, s.value.endpoints.len(), s.value.ports[0].port))
        .collect();
    assert_eq!(slices, [("db", 2, Some(5432)), ("db", 1, Some(5432))]);
    let directory = tempfile::tempdir().unwrap();
    write_all(&loaded, directory.path());
    assert_eq!(essence(&loaded), essence(&read(directory.path(), Mode::Accept).unwrap()));
    let slice = "---\n{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {name: s, namespace: ns, labels: {kubernetes.io/service-name: db}}}\n";
    let none = [
        (endpoints.to_owned(), 0),
        (format!("{endpoints}{}", service("selector: {a: b},")), 0),
        (format!("{endpoints}{slice}{}", service("")), 1),
        (
            format!(
                "{}{}",
                endpoints.replace(
                    "namespace: ns",
                    "namespace: ns, labels: {endpointslice.kubernetes.io/skip-mirror: 'true'}"
                ),
                service("")
            ),
            0,
        ),
    ];
    for (text, count) in none {
        assert_eq!(accept(&text).unwrap().slices.len(), count, "{text}");
    }
    let error = accept(&endpoints.replace("192.0.2.8", "x")).unwrap_err().to_string();
    assert!(error.contains("Endpoints ns/db: subsets[0].notReadyAddresses[0].ip: \"x\""), "{error}");
}
