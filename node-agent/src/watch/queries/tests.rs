//! Queries as users write them.
use super::*;
use crate::watch::directory::{Mode, read as read_directory};
use std::path::Path;

const CLUSTER: &str = r#"
apiVersion: v1
kind: Node
metadata: {name: n1}
spec: {podCIDRs: [10.1.1.0/24, "fd01::/64"]}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}, {type: InternalIP, address: "2001:db8::1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {nodeName: n1, containers: [{name: c}]}
status: {podIPs: [{ip: 10.1.1.5}, {ip: "fd01::5"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: six, namespace: shop}
spec: {nodeName: n1, containers: [{name: c}]}
status: {podIPs: [{ip: "fd01::6"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: shop}
spec: {nodeName: n1, hostNetwork: true, containers: [{name: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: done, namespace: shop}
spec: {nodeName: n1, containers: [{name: c}]}
status: {phase: Succeeded, podIPs: [{ip: 10.1.1.9}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIPs: [10.96.0.9], externalIPs: [198.51.100.9], ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: shop}
spec: {clusterIP: None, ports: [{port: 80}]}
"#;

fn resolve(line: &str) -> Result<Resolved, String> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("cluster.yaml"), CLUSTER).unwrap();
    let snapshot = read_directory(directory.path(), Mode::Accept).unwrap().snapshot();
    let queries = parse("q.jsonl", line).map_err(|e| e.to_string())?;
    Resolver::new(&snapshot).resolve(&queries[0]).map_err(|e| e.to_string())
}

fn shop(name: &str) -> crate::model::ObjectName {
    crate::model::ObjectName::new("shop", name)
}

#[test]
fn a_name_or_an_address_means_whoever_has_it() {
    let external = "203.0.113.7";
    let cases = [
        ("shop/web", Party::Pod(shop("web")), "10.1.1.5"),
        ("10.1.1.5", Party::Pod(shop("web")), "10.1.1.5"),
        ("192.0.2.1", Party::Node("n1".into()), "192.0.2.1"),
        ("shop/agent", Party::Node("n1".into()), "192.0.2.1"),
        ("10.1.1.9", Party::Outside, "10.1.1.9"),
        (external, Party::Outside, external),
        ("svc/shop/web", Party::Service(shop("web")), "10.96.0.9"),
        ("10.96.0.9", Party::Service(shop("web")), "10.96.0.9"),
        ("198.51.100.9", Party::Service(shop("web")), "198.51.100.9"),
    ];
    for (to, party, address) in cases {
        let line = format!(r#"{{"from": "203.0.113.1", "to": "{to}", "port": 80, "protocol": "TCP"}}"#);
        let resolved = resolve(&line).unwrap();
        assert_eq!((resolved.to, resolved.destination), (party, Some(address.parse().unwrap())), "{to}");
        assert_eq!(resolved.from, Party::Outside);
    }
}

#[test]
fn the_family_is_the_literals_or_the_one_asked_for_or_the_first_that_both_have() {
    let cases = [
        (r#"{"from": "shop/web", "to": "fd01::6", "port": 1}"#, "fd01::5", Some("fd01::6")),
        (r#"{"from": "shop/web", "to": "shop/six", "port": 1}"#, "fd01::5", Some("fd01::6")),
        (r#"{"from": "shop/web", "to": "shop/agent", "port": 1}"#, "10.1.1.5", Some("192.0.2.1")),
        (
            r#"{"from": "shop/web", "to": "shop/agent", "port": 1, "family": "IPv6"}"#,
            "fd01::5",
            Some("2001:db8::1"),
        ),
        (r#"{"from": "shop/six", "to": "svc/shop/web", "port": 80}"#, "fd01::6", None),
        (r#"{"from": "shop/web", "to": "svc/shop/headless", "port": 80}"#, "10.1.1.5", None),
    ];
    for (line, source, destination) in cases {
        let resolved = resolve(line).unwrap();
        assert_eq!(resolved.source, source.parse::<IpAddr>().unwrap(), "{line}");
        assert_eq!(resolved.destination, destination.map(|d| d.parse().unwrap()), "{line}");
    }
}

#[test]
fn what_cannot_be_asked_is_an_error_with_file_line_and_field() {
    let cases = [
        (r#"{"from": "shop/web", "to": "shop/web""#, "q.jsonl:1: .: it is no JSON object"),
        (r#"[1]"#, "q.jsonl:1: .: it is no JSON object"),
        (r#"{"to": "shop/web", "port": 1}"#, "q.jsonl:1: from: it is missing"),
        (r#"{"from": "shop/web", "to": "shop/web"}"#, "q.jsonl:1: port: it is missing"),
        (r#"{"from": 5, "to": "shop/web", "port": 1}"#, "q.jsonl:1: from: invalid type"),
        (r#"{"from": "shop/web", "to": "shop/web", "port": "80"}"#, "q.jsonl:1: port: invalid type"),
        (r#"{"from": "shop/web", "to": "shop/web", "port": 0}"#, "q.jsonl:1: port: 0 is no port"),
        (r#"{"from": "shop/web", "to": "shop/web", "port": 65536}"#, "q.jsonl:1: port: 65536 is no port"),
        (
            r#"{"from": "shop/web", "to": "shop/web", "port": 1, "protocol": "tcp"}"#,
            "q.jsonl:1: protocol: unknown",
        ),
        (
            r#"{"from": "shop/web", "to": "shop/web", "port": 1, "family": "v6"}"#,
            "q.jsonl:1: family: unknown",
        ),
        (r#"{"from": "web", "to": "shop/web", "port": 1}"#, "q.jsonl:1: from: \"web\" is neither"),
        (
            r#"{"from": "svc/shop/web", "to": "shop/web", "port": 1}"#,
            "q.jsonl:1: from: \"svc/shop/web\" is neither",
        ),
        (r#"{"from": "shop/web", "to": "shop/", "port": 1}"#, "q.jsonl:1: to: \"shop/\" is neither"),
        (r#"{"from": "shop/web", "to": "::ffff:10.1.1.5", "port": 1}"#, "q.jsonl:1: to: "),
        (
            r#"{"from": "shop/nobody", "to": "shop/web", "port": 1}"#,
            "q.jsonl:1: from: there is no pod shop/nobody",
        ),
        (r#"{"from": "shop/web", "to": "shop/done", "port": 1}"#, "q.jsonl:1: to: there is no pod shop/done"),
        (
            r#"{"from": "shop/web", "to": "svc/shop/nil", "port": 1}"#,
            "q.jsonl:1: to: there is no Service shop/nil",
        ),
        (
            r#"{"from": "shop/six", "to": "10.1.1.5", "port": 1}"#,
            "q.jsonl:1: from: shop/six has no IPv4 address",
        ),
        (
            r#"{"from": "10.1.1.5", "to": "shop/six", "port": 1}"#,
            "q.jsonl:1: to: shop/six has no IPv4 address",
        ),
        (r#"{"from": "10.1.1.5", "to": "fd01::6", "port": 1}"#, "q.jsonl:1: "),
        (
            r#"{"from": "shop/web", "to": "10.1.1.5", "port": 1, "family": "IPv6"}"#,
            "q.jsonl:1: to: 10.1.1.5 has no IPv6",
        ),
    ];
    for (line, expected) in cases {
        let error = resolve(line).unwrap_err();
        assert!(error.starts_with(expected), "{line}\n  gave     {error}\n  expected {expected}");
    }
}

#[test]
fn every_invalid_line_is_named_and_empty_ones_are_skipped() {
    let text = "\n{\"from\": \"a/b\", \"to\": \"a/c\", \"port\": 1}\r\n  \n{}\n{\"from\"\n";
    let errors = parse("q.jsonl", text).unwrap_err();
    assert_eq!(errors.0.iter().map(|e| e.line).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(parse("q", "\n\n").unwrap(), []);
    let missing = read(Path::new("/nonexistent/q.jsonl")).unwrap_err().to_string();
    assert!(missing.starts_with("/nonexistent/q.jsonl: .: it cannot be read: No such file"), "{missing}");
}

#[test]
fn an_answer_is_the_line_itself_with_the_verdict_and_the_policies() {
    let line = r#"{"from": "a/b", "to": "a/c", "port": 1, "expect": "deny", "why": ["x", 1]}"#;
    let query = &parse("q", line).unwrap()[0];
    let decider = Decider::network_policy(&crate::model::ObjectName::new("a", "p"), Some(2));
    let answer = Answer {
        verdict: Verdict::Deny,
        egress: Some(Direction { verdict: Verdict::Allow, policies: vec![decider] }),
        ingress: None,
        reason: None,
    };
    let expected = serde_json::json!({
        "from": "a/b", "to": "a/c", "port": 1, "expect": "deny", "why": ["x", 1], "verdict": "deny",
        "egress": {"verdict": "allow", "policies": [{"kind": "NetworkPolicy", "namespace": "a", "name": "p", "rule": 2}]},
    });
    assert_eq!(query.answered(&answer), expected);
    assert_eq!(query.expected(), Some(Verdict::Deny));
}
