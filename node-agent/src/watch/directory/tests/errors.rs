//! Bad input: every error names file, object and field.
use super::support::{accept, assert_errors, directory, node, pod, watch};
use crate::watch::directory::{LoadError, Mode, read};

const POLICY: &str =
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\n";

#[test]
fn text_that_cannot_be_parsed_is_an_error_with_its_line() {
    let cases = [
        ("a.yaml", "a: b\n c: d\n", "a.yaml:2: "),
        ("a.yaml", "a: b\n---\nc: [d\n", "a.yaml:"),
        ("a.yaml", "# one\n---\na: b\n---\na: b\na: c\n", "a.yaml:5: the key \"a\" is there twice"),
        ("a.yaml", "a: b\n---\n\tc: d\n", "a.yaml:3: "),
        ("a.json", "{\n\"a\": }", "a.json:2: "),
        ("a.json", "{\"a\": 1,\n\"a\": 2}", "a.json:2: the key \"a\" is there twice"),
        ("a.json", "{} x", "a.json:1: "),
        ("a.yaml", "{{ template }}", "a.yaml:1: "),
        ("a.yaml", "apiVer", "a.yaml:1: there is only a bare word here"),
        ("a.yaml", "apiVersion: v1\n", "a.yaml:1: kind: it is missing"),
        ("a.yaml", "x: y\n---\nkind: Pod\n", "a.yaml:2: apiVersion: it is missing"),
        ("a.yaml", "a: .nan\n", "a.yaml:"),
        ("a.yaml", "a: *unknown\n", "a.yaml:"),
        ("a.yaml", "apiVersion: v1\nkind: List\nitems: {a: b}\n", "a.yaml:1: items: expected a list"),
    ];
    for (file, text, expected) in cases {
        assert_errors(&[(file, text)], &[expected]);
    }
}

#[test]
fn what_cannot_be_read_is_an_error_with_its_path() {
    let missing = read(std::path::Path::new("/nonexistent/manifests"), Mode::Accept).unwrap_err();
    assert!(missing.to_string().starts_with("/nonexistent/manifests: open it: No such file"), "{missing}");
    let directory = directory(&[]);
    std::fs::write(directory.path().join("a.yaml"), [0xff, 0xfe, 0x00]).unwrap();
    std::os::unix::fs::symlink("nowhere", directory.path().join("b.yaml")).unwrap();
    let errors = read(directory.path(), Mode::Accept).unwrap_err();
    assert_eq!(errors.0.len(), 2);
    assert!(errors.0.iter().all(|e| matches!(e, LoadError::Unreadable { .. })), "{errors}");
}

#[test]
fn a_half_written_policy_is_an_error_or_allows_nothing_that_the_whole_does_not() {
    let rule = "{from: [{podSelector: {matchLabels: {app: shop}}}], ports: [{port: 80}]}";
    let spec = format!("spec:\n  podSelector: {{matchLabels: {{app: web}}}}\n  ingress: [{rule}]\n");
    let whole = format!("{POLICY}{spec}");
    let intended = accept(&whole).unwrap().policies.into_values().next().unwrap().value;
    let mut errors = 0;
    for length in 1..whole.len() {
        let half = &whole[..length];
        match accept(half) {
            Err(e) => {
                assert!(
                    e.to_string().contains("a.yaml:1: ") || e.to_string().contains("a.yaml:"),
                    "{half:?}: {e}"
                );
                errors += 1;
            }
            Ok(loaded) => {
                let rules = |p: &crate::model::NetworkPolicy| p.ingress.clone().unwrap();
                let policies = loaded.policies.into_values();
                policies.for_each(|p| {
                    assert!(rules(&p.value).iter().all(|r| rules(&intended).contains(r)), "{half:?}")
                });
            }
        }
    }
    assert!(errors > whole.len() / 2, "{errors} of {}", whole.len());
}

#[test]
fn every_invalid_object_is_named_with_file_line_and_field() {
    let bad = format!(
        "{POLICY}spec: {{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: 10.0.0.0/33}}}}], ports: [{{port: 90, endPort: 80}}]}}]}}\n"
    );
    assert_errors(
        &[("ok.yaml", &pod("a", "", "")), ("sub/p.yaml", &format!("# first\na: b\n---\n{bad}"))],
        &[
            "sub/p.yaml:3 (document 2): NetworkPolicy shop/p: spec.ingress[0].from[0].ipBlock.cidr: \"10.0.0.0/33\"",
            "sub/p.yaml:3 (document 2): NetworkPolicy shop/p: spec.ingress[0].ports[0].endPort: the range ends",
        ],
    );
    assert_errors(
        &[("p.yaml", "{apiVersion: v1, kind: Pod}")],
        &["p.yaml: Pod : metadata.name: the object has no name"],
    );
}

#[test]
fn a_duplicate_object_is_an_error_that_names_both_files() {
    let text = format!("{POLICY}spec: {{podSelector: {{}}}}\n");
    let directory = directory(&[("a.yaml", &text), ("b.yaml", &text)]);
    for mode in [Mode::Accept, Mode::Watch] {
        let errors = read(directory.path(), mode).unwrap_err().to_string();
        assert!(
            errors.contains("b.yaml: NetworkPolicy shop/p: metadata.name: it is already in "),
            "{errors}"
        );
        assert!(errors.contains("a.yaml: remove or rename"), "{errors}");
    }
    assert_errors(
        &[("a.yaml", &format!("{text}---\n{text}"))],
        &["a.yaml:5 (document 2): NetworkPolicy shop/p: metadata.name: it is already in"],
    );
}

#[test]
fn nodes_with_overlapping_pod_cidrs_are_an_error_that_names_both() {
    let a = node("a", "podCIDRs: [10.1.0.0/16, 'fd00:1::/64']", "");
    let cases = [
        (
            "podCIDRs: [10.1.2.0/24]",
            "b.yaml: Node b: spec.podCIDRs: 10.1.2.0/24 overlaps with 10.1.0.0/16 of node a (",
        ),
        (
            "podCIDRs: [10.1.0.0/16]",
            "b.yaml: Node b: spec.podCIDRs: 10.1.0.0/16 overlaps with 10.1.0.0/16 of node a (",
        ),
        (
            "podCIDRs: [10.0.0.0/8]",
            "b.yaml: Node b: spec.podCIDRs: 10.0.0.0/8 overlaps with 10.1.0.0/16 of node a (",
        ),
        (
            "podCIDRs: [10.2.0.0/16, 'fd00::/16']",
            "b.yaml: Node b: spec.podCIDRs: fd00::/16 overlaps with fd00:1::/64 of node a (",
        ),
    ];
    for (spec, expected) in cases {
        assert_errors(&[("a.yaml", &a), ("b.yaml", &node("b", spec, ""))], &[expected]);
    }
    let watched = watch(&(a + &node("b", "podCIDRs: [10.1.2.0/24]", ""))).unwrap();
    assert_eq!(watched.nodes.len(), 2, "for an agent the mesh decides whom to believe");
}

#[test]
fn addresses_and_node_ports_that_two_claim_are_errors() {
    let with = |ip: &str| format!("status: {{podIPs: [{{ip: {ip}}}]}}");
    let address = |ip: &str| format!("status: {{addresses: [{{type: InternalIP, address: {ip}}}]}}");
    let service = |name: &str, spec: &str| {
        format!("---\n{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{{spec}}}}}\n")
    };
    let cases = [
        (
            pod("a", "", &with("10.1.0.1")) + &pod("b", "", &with("10.1.0.1")),
            "a.yaml:3 (document 2): Pod ns/b: status.podIPs: 10.1.0.1 is pod ns/a's too",
        ),
        (
            node("m", "", &address("10.1.0.1")) + &node("n", "", &address("10.1.0.1")),
            "a.yaml:3 (document 2): Node n: status.addresses: 10.1.0.1 is node m's too",
        ),
        (
            node("m", "", &address("10.1.0.1")) + &pod("b", "", &with("10.1.0.1")),
            "a.yaml:3 (document 2): Pod ns/b: status.podIPs: 10.1.0.1 is node m's too",
        ),
        (
            service("a", "clusterIP: 10.96.0.1, ports: [{port: 1}]")
                + &service("b", "clusterIP: 10.96.0.1, ports: [{port: 1}]"),
            "a.yaml:3 (document 2): Service default/b: spec.clusterIPs: 10.96.0.1 is Service default/a's too",
        ),
        (
            service("a", "type: NodePort, ports: [{port: 1, nodePort: 30001}]")
                + &service("b", "type: NodePort, ports: [{port: 1, nodePort: 30001}]"),
            "a.yaml:3 (document 2): Service default/b: spec.ports[0].nodePort: TCP 30001 is Service default/a's too",
        ),
    ];
    for (text, expected) in cases {
        assert_errors(&[("a.yaml", &text)], &[expected]);
    }
    let done = pod("a", "", "status: {podIPs: [{ip: 10.1.0.1}], phase: Failed}");
    assert_eq!(
        accept(&(done + &pod("b", "", &with("10.1.0.1")))).unwrap().pods.len(),
        1,
        "a finished pod has given it up"
    );
}

#[test]
fn an_agent_enforces_an_invalid_policy_restrictively_and_refuses_any_other_invalid_object() {
    let invalid = format!("{POLICY}spec: {{podSelector: {{matchLabels: {{a: '-'}}}}, ingress: [{{}}]}}\n");
    let loaded = watch(&format!("{}---\n{invalid}", pod("a", "", ""))).unwrap();
    let policy = &loaded.policies.values().next().unwrap().value;
    assert_eq!((policy.selector.match_labels.len(), policy.ingress.as_deref()), (0, Some(&[][..])));
    let problem = loaded.problems[0].to_string();
    assert!(problem.contains("NetworkPolicy shop/p: spec.podSelector.matchLabels: the value"), "{problem}");
    assert!(
        problem.ends_with("until then it isolates every pod of its namespace and allows nothing"),
        "{problem}"
    );
    for bad in [pod("A", "", ""), pod("a", "nodeName: N", ""), node("n", "podCIDRs: [x]", "")] {
        assert!(watch(&format!("{bad}---\n{invalid}")).is_err(), "{bad}");
    }
    assert!(
        watch("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: a}}").is_err()
    );
}
