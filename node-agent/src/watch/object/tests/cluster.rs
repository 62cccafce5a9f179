//! Pods, namespaces, nodes, and the head of every object.
use super::{assert_finding, findings, reading};
use crate::model::{ContainerPort, ObjectName, Protocol};
use crate::watch::object::{PodObject, Read};

fn pod(rest: &str) -> String {
    format!("{{apiVersion: v1, kind: Pod, metadata: {{name: p, namespace: ns}}, {rest}}}")
}

fn read_pod(rest: &str) -> PodObject {
    assert_eq!(findings(&pod(rest)), Vec::<String>::new(), "{rest}");
    match reading(&pod(rest)).read {
        Some(Read::Pod(pod)) => pod,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_object_needs_a_name_and_labels_of_the_right_form() {
    let cases = [
        ("{}", "metadata.name: the object has no name"),
        ("{name: ''}", "metadata.name: the object has no name"),
        ("{name: A}", "metadata.name: \"A\" is not allowed"),
        ("{name: 5}", "metadata.name: invalid type"),
        ("{name: p, namespace: a.b}", "metadata.namespace: \"a.b\" is not allowed"),
        ("{name: p, labels: {'a b': c}}", "metadata.labels: \"a b\" is not allowed"),
        ("{name: p, labels: {a: b/c}}", "metadata.labels: the value \"b/c\" of \"a\" is not allowed"),
        ("{name: p, labels: {a: 5}}", "metadata.labels.a: invalid type"),
        ("{name: p, labels: [a]}", "metadata.labels: invalid type"),
        ("5", "metadata: invalid type"),
    ];
    for (metadata, expected) in cases {
        let yaml = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {metadata}, spec: {{containers: [{{name: c}}]}}}}"
        );
        assert_finding(&yaml, expected);
    }
}

#[test]
fn an_object_without_namespace_is_in_default_and_generate_name_gives_a_name() {
    let yaml = "{apiVersion: v1, kind: Pod, metadata: {generateName: job-, labels: {a: null}}, spec: {containers: [{name: c}]}}";
    let reading = reading(yaml);
    assert_eq!(reading.findings, []);
    assert_eq!(reading.name, ObjectName::new("default", "job-0"));
}

#[test]
fn a_pod_has_the_ports_of_its_containers_and_sidecars() {
    let pod = read_pod(
        "spec: {nodeName: n, initContainers: [{name: i, ports: [{containerPort: 1}]}, \
         {name: s, restartPolicy: Always, ports: [{containerPort: 2, name: proxy}]}], \
         containers: [{name: c, ports: [{containerPort: 3, protocol: UDP, hostPort: 30}]}, {name: d}]}",
    );
    let port = |name: Option<&str>, port, protocol, host_port| ContainerPort {
        name: name.map(str::to_owned),
        port,
        protocol,
        host_port,
    };
    let expected = [port(Some("proxy"), 2, Protocol::Tcp, None), port(None, 3, Protocol::Udp, Some(30))];
    assert_eq!(pod.pod.ports, expected);
    assert_eq!((pod.pod.node.as_deref(), pod.finished), (Some("n"), false));
}

#[test]
fn a_pod_that_succeeded_or_failed_is_finished() {
    for (phase, finished) in
        [("Succeeded", true), ("Failed", true), ("Running", false), ("Pending", false), ("Unknown", false)]
    {
        let pod = read_pod(&format!(
            "spec: {{containers: [{{name: c}}]}}, status: {{phase: {phase}, podIP: 10.0.0.1}}"
        ));
        assert_eq!(pod.finished, finished, "{phase}");
        assert_eq!(pod.pod.addresses, ["10.0.0.1".parse::<std::net::IpAddr>().unwrap()]);
    }
}

#[test]
fn a_pod_that_the_api_server_would_refuse_is_named_by_field() {
    let cases = [
        ("spec: {}", "spec.containers: a pod needs at least one container"),
        ("spec: null", "spec.containers: a pod needs at least one container"),
        ("spec: {containers: {name: c}}", "spec.containers: invalid type"),
        ("spec: {containers: [{name: C}]}", "spec.containers[0].name: \"C\" is not allowed"),
        ("spec: {containers: [{}]}", "spec.containers[0].name: \"\" is not allowed"),
        (
            "spec: {containers: [{name: c}, {name: c}]}",
            "spec.containers[1].name: \"c\" is the name of two containers",
        ),
        (
            "spec: {containers: [{name: c, ports: [{}]}]}",
            "spec.containers[0].ports[0].containerPort: 0 is no port",
        ),
        (
            "spec: {containers: [{name: c, ports: [{containerPort: '80'}]}]}",
            "spec.containers[0].ports[0].containerPort: invalid type",
        ),
        (
            "spec: {containers: [{name: c, ports: [{containerPort: 70000}]}]}",
            "spec.containers[0].ports[0].containerPort: 70000 is no port",
        ),
        (
            "spec: {containers: [{name: c, ports: [{containerPort: 1, name: toolongforaportname}]}]}",
            "spec.containers[0].ports[0].name: ",
        ),
        (
            "spec: {containers: [{name: c, ports: [{containerPort: 1, protocol: X}]}]}",
            "spec.containers[0].ports[0].protocol: \"X\" is no protocol",
        ),
        (
            "spec: {containers: [{name: c, ports: [{containerPort: 1, hostPort: -1}]}]}",
            "spec.containers[0].ports[0].hostPort: -1 is no port",
        ),
        (
            "spec: {containers: [{name: c, ports: [{containerPort: 1, hostIP: x}]}]}",
            "spec.containers[0].ports[0].hostIP: \"x\": it is no IP",
        ),
        (
            "spec: {hostNetwork: true, containers: [{name: c, ports: [{containerPort: 1, hostPort: 2}]}]}",
            "spec.containers[0].ports[0].hostPort: with hostNetwork",
        ),
        (
            "spec: {containers: [{name: c, ports: [{containerPort: 1, name: a}, {containerPort: 2, name: a}]}]}",
            "spec.containers[0].ports[1].name: \"a\" is the name of two ports",
        ),
        ("spec: {nodeName: N, containers: [{name: c}]}", "spec.nodeName: \"N\" is not allowed"),
        (
            "spec: {containers: [{name: c}]}, status: {podIPs: [{ip: x}]}",
            "status.podIPs[0]: \"x\": it is no IP address",
        ),
        (
            "spec: {containers: [{name: c}]}, status: {podIP: 10.0.0.300}",
            "status.podIP: \"10.0.0.300\": it is no IP address",
        ),
        (
            "spec: {containers: [{name: c}]}, status: {podIPs: [{ip: 10.0.0.1}, {ip: 10.0.0.2}]}",
            "status.podIPs: there is more than one address of one IP family",
        ),
    ];
    for (rest, expected) in cases {
        assert_finding(&pod(rest), expected);
    }
}

fn node(rest: &str) -> String {
    format!("{{apiVersion: v1, kind: Node, metadata: {{name: n}}, {rest}}}")
}

#[test]
fn a_node_has_masked_pod_cidrs_and_its_internal_addresses_one_of_each_family_first() {
    let yaml = node(
        "spec: {podCIDR: 10.1.0.5/24, podCIDRs: [10.1.0.5/24, 'fd00::5/64']}, status: {addresses: [{type: Hostname, address: n}, \
         {type: InternalIP, address: 192.0.2.1}, {type: InternalIP, address: 192.0.2.2}, {type: ExternalIP, address: 1.1.1.1}, \
         {type: InternalIP, address: '2001:db8::1'}, {type: InternalIP, address: 192.0.2.1}]}",
    );
    assert_eq!(findings(&yaml), Vec::<String>::new());
    let Some(Read::Node(node)) = reading(&yaml).read else { panic!() };
    let texts = |list: &[std::net::IpAddr]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(texts(&node.addresses), ["192.0.2.1", "2001:db8::1", "192.0.2.2"]);
    assert_eq!(
        node.pod_cidrs.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.1.0.0/24", "fd00::/64"]
    );
}

#[test]
fn a_node_that_the_api_server_would_refuse_is_named_by_field() {
    let cases = [
        ("spec: {podCIDRs: [10.0.0.0]}", "spec.podCIDRs[0]: \"10.0.0.0\": it is no CIDR"),
        ("spec: {podCIDR: x}", "spec.podCIDR: \"x\": it is no CIDR"),
        (
            "spec: {podCIDRs: [10.0.0.0/24, 10.0.1.0/24]}",
            "spec.podCIDRs: there is more than one CIDR of one IP family",
        ),
        (
            "spec: {podCIDR: 10.0.1.0/24, podCIDRs: [10.0.0.0/24]}",
            "spec.podCIDRs[0]: \"10.0.0.0/24\" is not podCIDR",
        ),
        ("spec: {podCIDRs: 10.0.0.0/24}", "spec.podCIDRs: invalid type"),
        (
            "status: {addresses: [{type: InternalIP, address: n1.local}]}",
            "status.addresses[0].address: \"n1.local\": it is no IP",
        ),
    ];
    for (rest, expected) in cases {
        assert_finding(&node(rest), expected);
    }
}

#[test]
fn a_namespace_always_has_its_name_as_label() {
    let yaml = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {kubernetes.io/metadata.name: lie, a: b}}}";
    let Some(Read::Namespace(namespace)) = reading(yaml).read else { panic!() };
    assert_eq!(namespace.labels["kubernetes.io/metadata.name"], "shop");
    assert_eq!(namespace.labels["a"], "b");
}

#[test]
fn outdated_versions_of_our_kinds_are_findings_that_name_the_right_one() {
    for (version, kind, right) in [
        ("extensions/v1beta1", "NetworkPolicy", "networking.k8s.io/v1"),
        ("apps/v1beta2", "Deployment", "apps/v1"),
        ("extensions/v1beta1", "DaemonSet", "apps/v1"),
        ("batch/v1beta1", "CronJob", "batch/v1"),
        ("discovery.k8s.io/v1beta1", "EndpointSlice", "discovery.k8s.io/v1"),
    ] {
        let yaml = format!("{{apiVersion: {version}, kind: {kind}, metadata: {{name: x}}}}");
        assert_finding(
            &yaml,
            &format!("apiVersion: API servers no longer serve this version: write {right}"),
        );
    }
}
