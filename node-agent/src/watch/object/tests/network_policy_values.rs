//! What valid policies mean: defaulting exactly as the API's text says.
use super::{findings, reading};
use crate::model::{
    IpBlock, LabelSelector, NamespaceMatch, NetworkPolicy, Peer, Peers, PortMatch, Ports, Protocol, Rule,
};
use crate::watch::object::Read;

fn read(spec: &str) -> NetworkPolicy {
    let yaml = format!(
        "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p, namespace: ns}}, spec: {spec}}}"
    );
    assert_eq!(findings(&yaml), Vec::<String>::new(), "{spec}");
    match reading(&yaml).read {
        Some(Read::NetworkPolicy(policy)) => policy,
        other => panic!("{other:?}"),
    }
}

#[test]
fn policy_types_default_to_ingress_and_to_egress_only_with_an_egress_rule() {
    let cases = [
        ("{podSelector: {}}", true, false),
        ("{podSelector: {}, egress: []}", true, false),
        ("{podSelector: {}, egress: null}", true, false),
        ("{podSelector: {}, egress: [{}]}", true, true),
        ("{podSelector: {}, policyTypes: []}", true, false),
        ("{podSelector: {}, policyTypes: null, egress: [{}]}", true, true),
        ("{podSelector: {}, policyTypes: [Ingress], egress: [{}]}", true, false),
        ("{podSelector: {}, policyTypes: [Egress], ingress: [{}]}", false, true),
        ("{podSelector: {}, policyTypes: [Egress]}", false, true),
        ("{podSelector: {}, policyTypes: [Egress, Egress]}", false, true),
        ("{podSelector: {}, policyTypes: [Ingress, Egress]}", true, true),
        ("{}", true, false),
        ("null", true, false),
    ];
    for (spec, ingress, egress) in cases {
        let policy = read(spec);
        assert_eq!((policy.ingress.is_some(), policy.egress.is_some()), (ingress, egress), "{spec}");
    }
}

#[test]
fn a_missing_or_null_or_empty_pod_selector_selects_all() {
    for spec in ["{}", "{podSelector: null}", "{podSelector: {}}", "{podSelector: {matchLabels: null}}"] {
        assert_eq!(read(spec).selector, LabelSelector::default(), "{spec}");
    }
}

#[test]
fn missing_null_and_empty_lists_of_a_rule_match_everything_and_no_rules_nothing() {
    for rule in ["{}", "{from: [], ports: []}", "{from: null, ports: null}"] {
        let rules = read(&format!("{{ingress: [{rule}]}}")).ingress.unwrap();
        assert_eq!(rules, [Rule { peers: Peers::Any, ports: Ports::Any }], "{rule}");
    }
    for none in ["[]", "null"] {
        assert_eq!(read(&format!("{{ingress: {none}}}")).ingress.unwrap(), [], "{none}");
    }
}

#[test]
fn a_bare_pod_selector_is_the_policys_own_namespace() {
    let rules = read(
        "{ingress: [{from: [{podSelector: {}}, {namespaceSelector: {}}, {namespaceSelector: {}, podSelector: {}}]}]}",
    );
    let all = LabelSelector::default;
    let own = Peer::Pods { namespaces: NamespaceMatch::Named("ns".into()), pods: all() };
    let any = Peer::Pods { namespaces: NamespaceMatch::Selected(all()), pods: all() };
    assert_eq!(rules.ingress.unwrap()[0].peers, Peers::Only(vec![own, any.clone(), any]));
}

#[test]
fn host_bits_of_blocks_are_masked() {
    let rules = read(
        "{egress: [{to: [{ipBlock: {cidr: 10.1.2.3/8, except: [10.9.9.9/16]}}, {ipBlock: {cidr: '::1/0'}}]}]}",
    );
    let block = |cidr: &str, except: &[&str]| {
        let except = except.iter().map(|e| e.parse().unwrap()).collect();
        Peer::Block(IpBlock { cidr: cidr.parse().unwrap(), except })
    };
    let expected = Peers::Only(vec![block("10.0.0.0/8", &["10.9.0.0/16"]), block("::/0", &[])]);
    assert_eq!(rules.egress.unwrap()[0].peers, expected);
}

#[test]
fn ports_are_tcp_by_default_and_ranges_inclusive() {
    let ports = "[{}, {protocol: UDP}, {port: 80}, {port: 1, endPort: 65535, protocol: SCTP}, {port: 9, endPort: 9}, \
                 {port: http, protocol: UDP}, {port: null, protocol: null}]";
    let rules = read(&format!("{{ingress: [{{ports: {ports}}}]}}")).ingress.unwrap();
    let expected = vec![
        PortMatch::All(Protocol::Tcp),
        PortMatch::All(Protocol::Udp),
        PortMatch::Range(Protocol::Tcp, 80, 80),
        PortMatch::Range(Protocol::Sctp, 1, 65535),
        PortMatch::Range(Protocol::Tcp, 9, 9),
        PortMatch::Named(Protocol::Udp, "http".into()),
        PortMatch::All(Protocol::Tcp),
    ];
    assert_eq!(rules[0].ports, Ports::Only(expected));
}

#[test]
fn selectors_compare_as_the_api_says() {
    let labels = |text: &str| serde_yaml_ng::from_str::<crate::model::Labels>(text).unwrap();
    let cases = [
        ("{matchLabels: {a: ''}}", "{a: ''}", true),
        ("{matchLabels: {a: ''}}", "{}", false),
        ("{matchLabels: {a: null}}", "{a: ''}", true),
        ("{matchLabels: {a: b, c: d}}", "{a: b}", false),
        ("{matchExpressions: [{key: a, operator: NotIn, values: [b]}]}", "{}", true),
        ("{matchExpressions: [{key: a, operator: NotIn, values: [b]}]}", "{a: b}", false),
        ("{matchExpressions: [{key: a, operator: In, values: [b, c]}]}", "{a: c}", true),
        ("{matchExpressions: [{key: a, operator: In, values: ['']}]}", "{}", false),
        ("{matchExpressions: [{key: a, operator: DoesNotExist}]}", "{a: ''}", false),
        ("{matchExpressions: [{key: a, operator: Exists, values: []}]}", "{a: ''}", true),
        (
            "{matchLabels: {a: b}, matchExpressions: [{key: a, operator: NotIn, values: [b]}]}",
            "{a: b}",
            false,
        ),
    ];
    for (selector, of, expected) in cases {
        let policy = read(&format!("{{podSelector: {selector}}}"));
        assert_eq!(policy.selector.matches(&labels(of)), expected, "{selector} of {of}");
    }
}
