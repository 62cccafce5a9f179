//! Services and EndpointSlices.
use super::{assert_finding, findings, reading};
use crate::model::{TargetPort, TrafficPolicy};
use crate::watch::object::{Read, ServiceObject};

fn service(rest: &str) -> String {
    format!("{{apiVersion: v1, kind: Service, metadata: {{name: s, namespace: ns}}, {rest}}}")
}

fn read(rest: &str) -> ServiceObject {
    assert_eq!(findings(&service(rest)), Vec::<String>::new(), "{rest}");
    match reading(&service(rest)).read {
        Some(Read::Service(service)) => service,
        other => panic!("{other:?}"),
    }
}

#[test]
fn target_ports_are_numbers_or_names_and_default_to_the_port() {
    let ports = "[{name: a, port: 80}, {name: b, port: 81, targetPort: 8081, nodePort: 30081}, {name: c, port: 82, targetPort: web, protocol: UDP}]";
    let service = read(&format!("spec: {{type: NodePort, selector: {{app: web}}, ports: {ports}}}"));
    let targets: Vec<_> = service.service.ports.iter().map(|p| p.target.clone()).collect();
    assert_eq!(targets, [TargetPort::Number(80), TargetPort::Number(8081), TargetPort::Named("web".into())]);
    assert_eq!(service.service.ports[1].node_port, Some(30081));
    assert!(service.node_ports);
}

#[test]
fn headless_and_external_name_services_have_no_address() {
    for spec in [
        "{clusterIP: None, ports: [{port: 80}]}",
        "{clusterIPs: [None]}",
        "{type: ExternalName, externalName: example.org}",
    ] {
        let service = read(&format!("spec: {spec}"));
        assert!(service.addressless && service.service.cluster_ips.is_empty(), "{spec}");
    }
}

#[test]
fn external_addresses_are_external_ips_and_those_of_the_load_balancer() {
    let service = read(
        "spec: {type: LoadBalancer, clusterIP: 10.96.0.1, externalIPs: [192.0.2.1], externalTrafficPolicy: Local, ports: [{port: 80}]}, \
         status: {loadBalancer: {ingress: [{ip: 192.0.2.2}, {hostname: lb.example.org}, {ip: 192.0.2.1}]}}",
    );
    let texts: Vec<_> = service.service.external_ips.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(service.service.external_traffic_policy, TrafficPolicy::Local);
    assert_eq!(service.service.internal_traffic_policy, TrafficPolicy::Cluster);
}

#[test]
fn a_service_that_the_api_server_would_refuse_is_named_by_field() {
    let cases = [
        ("spec: {}", "spec.ports: a Service needs at least one port"),
        ("spec: {type: Clusterip, ports: [{port: 1}]}", "spec.type: \"Clusterip\" is no type"),
        ("spec: {ports: [{port: 0}]}", "spec.ports[0].port: 0 is no port"),
        ("spec: {ports: [{}]}", "spec.ports[0].port: 0 is no port"),
        ("spec: {ports: [{port: 1, targetPort: 65536}]}", "spec.ports[0].targetPort: 65536 is no port"),
        ("spec: {ports: [{port: 1, targetPort: '80'}]}", "spec.ports[0].targetPort: \"80\" is a string"),
        ("spec: {ports: [{port: 1, protocol: ICMP}]}", "spec.ports[0].protocol: \"ICMP\" is no protocol"),
        ("spec: {ports: [{port: 1, nodePort: 70000}]}", "spec.ports[0].nodePort: 70000 is no port"),
        ("spec: {ports: [{port: 1, name: a}, {port: 2}]}", "spec.ports[1].name: \"\" is not allowed"),
        (
            "spec: {ports: [{port: 1, name: a}, {port: 2, name: a}]}",
            "spec.ports[1].name: \"a\" is the name of two ports",
        ),
        ("spec: {ports: [{port: 1, name: a}, {port: 1, name: b}]}", "spec.ports[1]: TCP 1 is there twice"),
        ("spec: {clusterIP: 10.96.0, ports: [{port: 1}]}", "spec.clusterIPs[0]: \"10.96.0\": it is no IP"),
        ("spec: {externalIPs: [x], ports: [{port: 1}]}", "spec.externalIPs[0]: \"x\": it is no IP"),
        (
            "spec: {type: NodePort, clusterIP: None, ports: [{port: 1}]}",
            "spec.clusterIPs[0]: None is not allowed for type NodePort",
        ),
        (
            "spec: {externalTrafficPolicy: local, ports: [{port: 1}]}",
            "spec.externalTrafficPolicy: \"local\" is no traffic policy",
        ),
        ("spec: {selector: {a: '-'}, ports: [{port: 1}]}", "spec.selector: the value \"-\" of \"a\""),
        ("spec: {ports: {port: 1}}", "spec.ports: invalid type"),
    ];
    for (rest, expected) in cases {
        assert_finding(&service(rest), expected);
    }
    let name = "{apiVersion: v1, kind: Service, metadata: {name: 1s}, spec: {ports: [{port: 1}]}}";
    assert_finding(name, "metadata.name: \"1s\" is not allowed");
}

fn slice(rest: &str) -> String {
    format!(
        "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, \
         metadata: {{name: s, namespace: ns, labels: {{kubernetes.io/service-name: web}}}}, {rest}}}"
    )
}

#[test]
fn an_endpoint_is_ready_unless_it_says_it_is_not() {
    let yaml = slice(
        "addressType: IPv4, ports: [{port: 80, name: http}, {name: all, port: null}], endpoints: [{addresses: [10.0.0.1], nodeName: n}, \
         {addresses: [10.0.0.2], conditions: {}}, {addresses: [10.0.0.3], conditions: {ready: false}}]",
    );
    assert_eq!(findings(&yaml), Vec::<String>::new());
    let Some(Read::EndpointSlice(slice)) = reading(&yaml).read else { panic!() };
    assert_eq!(slice.endpoints.iter().map(|e| e.ready).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(slice.ports.iter().map(|p| p.port).collect::<Vec<_>>(), [Some(80), None]);
    assert_eq!(slice.service, "web");
}

#[test]
fn a_slice_of_names_has_no_endpoints() {
    let yaml = slice("addressType: FQDN, endpoints: [{addresses: [example.org]}], ports: [{port: 80}]");
    let Some(Read::EndpointSlice(slice)) = reading(&yaml).read else { panic!() };
    assert!(slice.endpoints.is_empty() && reading(&yaml).findings.is_empty());
}

#[test]
fn a_slice_that_the_api_server_would_refuse_is_named_by_field() {
    let cases = [
        ("endpoints: []", "addressType: \"\" is no address type"),
        ("addressType: IP, endpoints: []", "addressType: \"IP\" is no address type"),
        (
            "addressType: IPv4, endpoints: [{addresses: []}]",
            "endpoints[0].addresses: an endpoint needs at least one address",
        ),
        (
            "addressType: IPv4, endpoints: [{addresses: ['fd00::1']}]",
            "endpoints[0].addresses[0]: \"fd00::1\" is not of the slice's",
        ),
        ("addressType: IPv4, endpoints: [{addresses: [x]}]", "endpoints[0].addresses[0]: \"x\": it is no IP"),
        ("addressType: IPv4, ports: [{port: 0}]", "ports[0].port: 0 is no port"),
        ("addressType: IPv4, ports: [{port: 1, protocol: X}]", "ports[0].protocol: \"X\" is no protocol"),
    ];
    for (rest, expected) in cases {
        assert_finding(&slice(rest), expected);
    }
}
