//! Workloads and their templates.
use super::{assert_finding, findings, reading};
use crate::watch::object::{Count, Read};

const TEMPLATE: &str =
    "{metadata: {labels: {app: web}}, spec: {containers: [{name: c, ports: [{containerPort: 80}]}]}}";

fn deployment(spec: &str) -> String {
    format!("{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web}}, spec: {spec}}}")
}

#[test]
fn a_workload_counts_its_pods_as_its_controller_would() {
    let selector = "selector: {matchLabels: {app: web}}";
    let cases = [
        ("apps/v1", "Deployment", format!("{{{selector}, template: {TEMPLATE}}}"), Count::Pods(1)),
        (
            "apps/v1",
            "Deployment",
            format!("{{replicas: 3, {selector}, template: {TEMPLATE}}}"),
            Count::Pods(3),
        ),
        (
            "apps/v1",
            "StatefulSet",
            format!("{{replicas: 0, {selector}, template: {TEMPLATE}}}"),
            Count::Pods(0),
        ),
        (
            "apps/v1",
            "ReplicaSet",
            format!("{{replicas: null, {selector}, template: {TEMPLATE}}}"),
            Count::Pods(1),
        ),
        (
            "v1",
            "ReplicationController",
            format!("{{replicas: 2, selector: {{app: web}}, template: {TEMPLATE}}}"),
            Count::Pods(2),
        ),
        ("apps/v1", "DaemonSet", format!("{{{selector}, template: {TEMPLATE}}}"), Count::OneANode),
        ("batch/v1", "Job", format!("{{template: {TEMPLATE}}}"), Count::Pods(1)),
        ("batch/v1", "Job", format!("{{parallelism: 3, template: {TEMPLATE}}}"), Count::Pods(3)),
        (
            "batch/v1",
            "Job",
            format!("{{parallelism: 3, completions: 2, template: {TEMPLATE}}}"),
            Count::Pods(2),
        ),
        ("batch/v1", "Job", format!("{{completions: 5, template: {TEMPLATE}}}"), Count::Pods(1)),
        ("batch/v1", "Job", format!("{{suspend: true, template: {TEMPLATE}}}"), Count::Pods(0)),
        (
            "batch/v1",
            "CronJob",
            format!("{{jobTemplate: {{spec: {{parallelism: 4, template: {TEMPLATE}}}}}}}"),
            Count::Pods(1),
        ),
    ];
    for (version, kind, spec, count) in cases {
        let yaml = format!("{{apiVersion: {version}, kind: {kind}, metadata: {{name: web}}, spec: {spec}}}");
        assert_eq!(findings(&yaml), Vec::<String>::new(), "{yaml}");
        let Some(Read::Workload(workload)) = reading(&yaml).read else { panic!("{yaml}") };
        assert_eq!(workload.count, count, "{yaml}");
        assert_eq!(workload.template.pod.ports[0].port, 80, "{yaml}");
    }
}

#[test]
fn a_workload_that_the_api_server_would_refuse_is_named_by_field() {
    let fine = "selector: {matchLabels: {app: web}}";
    let cases = [
        (format!("{{template: {TEMPLATE}}}"), "spec.selector: a Deployment needs a selector"),
        (format!("{{selector: {{}}, template: {TEMPLATE}}}"), "spec.selector: it is empty"),
        (
            format!("{{selector: {{matchLabels: {{app: db}}}}, template: {TEMPLATE}}}"),
            "spec.selector: it does not select the template's labels",
        ),
        (
            format!("{{selector: {{matchExpressions: [{{key: app, operator: X}}]}}, template: {TEMPLATE}}}"),
            "spec.selector.matchExpressions[0].operator: ",
        ),
        (format!("{{{fine}}}"), "spec.template: a Deployment needs the template"),
        (format!("{{replicas: -1, {fine}, template: {TEMPLATE}}}"), "spec.replicas: -1 is not 0 to 150000"),
        (
            format!("{{replicas: 2000000000, {fine}, template: {TEMPLATE}}}"),
            "spec.replicas: 2000000000 is not",
        ),
        (format!("{{replicas: x, {fine}, template: {TEMPLATE}}}"), "spec.replicas: invalid type"),
        (
            format!("{{{fine}, template: {{metadata: {{labels: {{app: web}}}}}}}}"),
            "spec.template.spec.containers: a pod needs",
        ),
        (
            format!(
                "{{{fine}, template: {{metadata: {{labels: {{app: web, a: '-'}}}}, spec: {{containers: [{{name: c}}]}}}}}}"
            ),
            "spec.template.metadata.labels: the value",
        ),
        (
            format!(
                "{{{fine}, template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: c, ports: [{{containerPort: 0}}]}}]}}}}}}"
            ),
            "spec.template.spec.containers[0].ports[0].containerPort: 0",
        ),
    ];
    for (spec, expected) in cases {
        assert_finding(&deployment(&spec), expected);
    }
    let cron = "{apiVersion: batch/v1, kind: CronJob, metadata: {name: c}, spec: {jobTemplate: {spec: {template: {spec: {containers: []}}}}}}";
    assert_finding(cron, "spec.jobTemplate.spec.template.spec.containers: a pod needs");
}
