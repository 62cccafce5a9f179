//! What a NetworkPolicy may say, and what is enforced if it says something else.
use super::{assert_finding, findings, reading};
use crate::model::{LabelSelector, NetworkPolicy, Peer, Peers, PortMatch, Ports, Rule};
use crate::watch::object::Read;

/// A policy in namespace `ns` with this spec (YAML in flow style).
fn policy(spec: &str) -> String {
    format!(
        "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p, namespace: ns}}, spec: {spec}}}"
    )
}

fn read(yaml: &str) -> NetworkPolicy {
    match reading(yaml).read {
        Some(Read::NetworkPolicy(policy)) => policy,
        other => panic!("{yaml}: {other:?}"),
    }
}

/// The policy's only ingress rule.
fn rule(spec: &str) -> Rule {
    read(&policy(spec)).ingress.unwrap().into_iter().next().unwrap()
}

const NOTHING_FROM: &[(&str, &str)] = &[
    ("{}", "spec.ingress[0].from[0]: the peer is empty"),
    ("{podSelector: null}", "spec.ingress[0].from[0]: the peer is empty"),
    ("{ipBlock: {}}", "spec.ingress[0].from[0].ipBlock.cidr: \"\""),
    (
        "{ipBlock: {cidr: 10.0.0.0}}",
        "spec.ingress[0].from[0].ipBlock.cidr: \"10.0.0.0\": it is no CIDR: the prefix",
    ),
    (
        "{ipBlock: {cidr: 10.0.0.0/33}}",
        "spec.ingress[0].from[0].ipBlock.cidr: \"10.0.0.0/33\": its prefix is longer",
    ),
    ("{ipBlock: {cidr: 5}}", "spec.ingress[0].from[0].ipBlock.cidr: invalid type"),
    (
        "{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}",
        "spec.ingress[0].from[0].ipBlock.except[0]: \"10.0.0.0/8\" is not a smaller",
    ),
    (
        "{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 11.0.0.0/16]}}",
        "spec.ingress[0].from[0].ipBlock.except[1]: \"11.0.0.0/16\" is not",
    ),
    (
        "{ipBlock: {cidr: 10.0.0.0/8, except: ['fd00::/8']}}",
        "spec.ingress[0].from[0].ipBlock.except[0]: \"fd00::/8\" is not",
    ),
    (
        "{ipBlock: {cidr: 10.0.0.0/8, except: [x]}}",
        "spec.ingress[0].from[0].ipBlock.except[0]: \"x\": it is no CIDR",
    ),
    ("{ipBlock: {cidr: 10.0.0.0/8, excpt: []}}", "spec.ingress[0].from[0].ipBlock"),
    (
        "{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}",
        "spec.ingress[0].from[0]: an ipBlock cannot be combined",
    ),
    (
        "{ipBlock: {cidr: 10.0.0.0/8}, namespaceSelector: {}}",
        "spec.ingress[0].from[0]: an ipBlock cannot be combined",
    ),
    (
        "{podSelector: {matchLabels: {'a b': c}}}",
        "spec.ingress[0].from[0].podSelector.matchLabels: \"a b\" is not",
    ),
    (
        "{podSelector: {matchLabels: {a: '-'}}}",
        "spec.ingress[0].from[0].podSelector.matchLabels: the value \"-\" of \"a\"",
    ),
    (
        "{podSelector: {matchLabels: {a: true}}}",
        "spec.ingress[0].from[0].podSelector.matchLabels.a: invalid type",
    ),
    ("{podSelector: {matchLabel: {a: b}}}", "spec.ingress[0].from[0].podSelector"),
    ("{podSelector: [a]}", "spec.ingress[0].from[0].podSelector: invalid type"),
    (
        "{namespaceSelector: {matchExpressions: [{key: a, operator: in, values: [b]}]}}",
        "spec.ingress[0].from[0].namespaceSelector.matchExpressions[0].operator: \"in\" is no operator",
    ),
    (
        "{namespaceSelector: {matchExpressions: [{key: a, operator: In}]}}",
        "spec.ingress[0].from[0].namespaceSelector.matchExpressions[0].values: In needs",
    ),
    (
        "{namespaceSelector: {matchExpressions: [{key: a, operator: NotIn, values: []}]}}",
        "spec.ingress[0].from[0].namespaceSelector.matchExpressions[0].values: NotIn needs",
    ),
    (
        "{namespaceSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}",
        "spec.ingress[0].from[0].namespaceSelector.matchExpressions[0].values: Exists takes no",
    ),
    (
        "{namespaceSelector: {matchExpressions: [{key: '', operator: DoesNotExist}]}}",
        "spec.ingress[0].from[0].namespaceSelector.matchExpressions[0].key: \"\" is not",
    ),
    (
        "{namespaceSelector: {matchExpressions: [{key: a, operator: In, values: ['b c']}]}}",
        "spec.ingress[0].from[0].namespaceSelector.matchExpressions[0].values[0]: \"b c\"",
    ),
    (
        "{podSelector: [null, null]}",
        "spec.ingress[0].from[0].podSelector: invalid type: sequence, expected a map",
    ),
    (
        "{ipBlock: [10.0.0.0/8, []]}",
        "spec.ingress[0].from[0].ipBlock: invalid type: sequence, expected a map",
    ),
    ("[null, {}, null]", "spec.ingress[0].from[0]: invalid type: sequence, expected a map"),
    ("{serviceSelector: {}}", "spec.ingress[0].from[0]"),
    ("5", "spec.ingress[0].from[0]: invalid type"),
    ("null", "spec.ingress[0].from[0]: invalid type"),
];

#[test]
fn an_invalid_peer_is_refused_and_matches_nothing() {
    for (peer, expected) in NOTHING_FROM {
        let spec = format!(
            "{{podSelector: {{}}, ingress: [{{from: [{peer}, {{podSelector: {{}}}}], ports: [{{port: 80}}]}}]}}"
        );
        assert_finding(&policy(&spec), expected);
        let rule = rule(&spec);
        let Peers::Only(peers) = &rule.peers else { panic!("{peer}: allows everybody") };
        assert_eq!(peers[0], Peer::Nothing, "{peer}");
        assert!(matches!(peers[1], Peer::Pods { .. }), "{peer}: a valid peer beside it is not harmed");
    }
}

const NOTHING_PORTS: &[(&str, &str)] = &[
    ("{port: 0}", "spec.ingress[0].ports[0].port: 0 is no port"),
    ("{port: 65536}", "spec.ingress[0].ports[0].port: 65536 is no port"),
    ("{port: -1}", "spec.ingress[0].ports[0].port: -1 is no port"),
    ("{port: '80'}", "spec.ingress[0].ports[0].port: \"80\" is a string: write the number without quotes"),
    ("{port: ''}", "spec.ingress[0].ports[0].port: \"\" is not allowed"),
    ("{port: HTTP}", "spec.ingress[0].ports[0].port: \"HTTP\" is not allowed"),
    ("{port: 80.5}", "spec.ingress[0].ports[0].port: expected a port number"),
    ("{port: [80]}", "spec.ingress[0].ports[0].port: expected a port number"),
    ("{port: 80, endPort: 79}", "spec.ingress[0].ports[0].endPort: the range ends before it begins"),
    ("{port: 80, endPort: 65536}", "spec.ingress[0].ports[0].endPort: 65536 is no port"),
    ("{port: 80, endPort: 0}", "spec.ingress[0].ports[0].endPort: 0 is no port"),
    ("{port: 80, endPort: '90'}", "spec.ingress[0].ports[0].endPort: invalid type"),
    (
        "{port: http, endPort: 90}",
        "spec.ingress[0].ports[0].endPort: endPort needs a `port` that is a number",
    ),
    ("{endPort: 90}", "spec.ingress[0].ports[0].endPort: endPort needs a port"),
    ("{protocol: tcp, port: 80}", "spec.ingress[0].ports[0].protocol: \"tcp\" is no protocol"),
    ("{protocol: ICMP}", "spec.ingress[0].ports[0].protocol: \"ICMP\" is no protocol"),
    ("{protocol: ''}", "spec.ingress[0].ports[0].protocol: \"\" is no protocol"),
    ("{protocol: 6}", "spec.ingress[0].ports[0].protocol: invalid type"),
    ("[TCP, 80, 90]", "spec.ingress[0].ports[0]: invalid type: sequence"),
    ("{port: 80, endport: 90}", "spec.ingress[0].ports[0]"),
    ("80", "spec.ingress[0].ports[0]: invalid type"),
    ("null", "spec.ingress[0].ports[0]: invalid type"),
];

#[test]
fn an_invalid_port_is_refused_and_matches_nothing() {
    for (port, expected) in NOTHING_PORTS {
        let spec = format!("{{podSelector: {{}}, ingress: [{{ports: [{port}, {{port: 443}}]}}]}}");
        assert_finding(&policy(&spec), expected);
        let Ports::Only(ports) = rule(&spec).ports else { panic!("{port}: allows every port") };
        assert_eq!(ports[0], PortMatch::Nothing, "{port}");
        assert!(
            matches!(ports[1], PortMatch::Range(_, 443, 443)),
            "{port}: a valid port beside it is not harmed"
        );
    }
}

#[test]
fn an_invalid_rule_is_refused_and_allows_nothing() {
    let cases = [
        ("{to: [{podSelector: {}}]}", "spec.ingress[0]"),
        ("{form: []}", "spec.ingress[0]"),
        ("{from: {podSelector: {}}}", "spec.ingress[0].from: invalid type: map, expected a sequence"),
        ("{ports: 80}", "spec.ingress[0].ports: invalid type"),
        ("null", "spec.ingress[0]: invalid type: null"),
        ("[]", "spec.ingress[0]: "),
    ];
    for (wire, expected) in cases {
        let spec = format!("{{podSelector: {{}}, ingress: [{wire}]}}");
        assert!(findings(&policy(&spec))[0].starts_with(expected), "{wire}: {:?}", findings(&policy(&spec)));
        let nothing =
            Rule { peers: Peers::Only(vec![Peer::Nothing]), ports: Ports::Only(vec![PortMatch::Nothing]) };
        assert_eq!(rule(&spec), nothing, "{wire}");
    }
}

#[test]
fn an_invalid_pod_selector_isolates_every_pod_in_its_directions_and_allows_nothing() {
    let selector = "{matchLabels: {app: web}, matchExpressions: [{key: a, operator: Is}]}";
    let cases = [
        ("[Ingress]", true, false),
        ("[Egress]", false, true),
        ("[Ingress, Egress]", true, true),
        ("[]", true, true),
    ];
    for (types, ingress, egress) in cases {
        let spec =
            format!("{{podSelector: {selector}, policyTypes: {types}, ingress: [{{}}], egress: [{{}}]}}");
        assert_finding(
            &policy(&spec),
            "spec.podSelector.matchExpressions[0].operator: \"Is\" is no operator",
        );
        let read = read(&policy(&spec));
        assert_eq!(read.selector, LabelSelector::default(), "all pods");
        assert_eq!((read.ingress, read.egress), (ingress.then(Vec::new), egress.then(Vec::new)), "{types}");
    }
}

#[test]
fn a_spec_that_cannot_be_decoded_isolates_every_pod_in_both_directions() {
    let cases = ["[]", "5", "{podSelector: {}, ingres: [{}]}", "{podSelector: {}, policyType: [Egress]}"];
    for spec in cases {
        assert_eq!(findings(&policy(spec)).len(), 1, "{spec}");
        let read = read(&policy(spec));
        let all = (LabelSelector::default(), Some(Vec::new()), Some(Vec::new()));
        assert_eq!((read.selector, read.ingress, read.egress), all, "{spec}");
    }
    let misspelt = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p}, sepc: {podSelector: {}}}";
    assert!(findings(misspelt)[0].contains("unknown field `sepc`"));
    assert_eq!(read(misspelt).egress, Some(Vec::new()));
}

#[test]
fn invalid_policy_types_isolate_in_both_directions() {
    let cases = [
        ("[ingress]", "spec.policyTypes[0]: \"ingress\" is no policy type"),
        ("[Ingress, Both]", "spec.policyTypes[1]: \"Both\" is no policy type"),
        ("[Ingress, Ingress, Egress]", "spec.policyTypes: there are more than two"),
        ("Ingress", "spec.policyTypes: invalid type"),
        ("[5]", "spec.policyTypes[0]: invalid type"),
    ];
    for (types, expected) in cases {
        let yaml = policy(&format!("{{podSelector: {{}}, policyTypes: {types}}}"));
        assert_finding(&yaml, expected);
        assert_eq!(
            (read(&yaml).ingress, read(&yaml).egress),
            (Some(Vec::new()), Some(Vec::new())),
            "{types}"
        );
    }
}

#[test]
fn rules_that_are_no_list_allow_nothing_in_their_direction() {
    let yaml = policy("{podSelector: {}, ingress: {from: []}, egress: [{}]}");
    assert_finding(&yaml, "spec.ingress: invalid type: map, expected a sequence");
    assert_eq!(read(&yaml).ingress, Some(Vec::new()));
    assert_eq!(read(&yaml).egress.unwrap().len(), 1);
}

#[test]
fn every_finding_says_what_is_enforced_meanwhile() {
    let spec = "{podSelector: {matchLabels: {a: '-'}}, policyTypes: [x], ingress: [{from: [{}], ports: [{port: 0}]}, 5], egress: 5}";
    let reading = reading(&policy(spec));
    let instead: Vec<_> = reading.findings.iter().map(|f| f.instead.unwrap_or("nothing said")).collect();
    assert_eq!(instead.len(), 6, "{:?}", reading.findings);
    assert!(!instead.contains(&"nothing said"), "{:?}", reading.findings);
}
