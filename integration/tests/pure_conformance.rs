//! The conformance data: well-formed, and every stated verdict is the evaluator's.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its data shall fail")]
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ringfence_integration::evaluator::{
    Cluster, Family, Query, evaluate, is_served, load_directory, read_cluster,
};

/// One directory with manifests and queries: a case, or one step of a case.
struct Step {
    name: String,
    path: PathBuf,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|p| p.is_dir()).collect();
    found.sort();
    found
}

fn name_of(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

fn steps() -> Vec<Step> {
    let mut steps = Vec::new();
    for case in directories(&root()) {
        let inner = directories(&case);
        for path in if inner.is_empty() { vec![case] } else { inner } {
            steps.push(Step { name: name_of(&path), path });
        }
    }
    assert!(steps.len() > 80, "only {} steps found", steps.len());
    steps
}

fn read(step: &Step) -> (Cluster, Vec<Query>) {
    let objects = load_directory(&step.path).unwrap();
    let cluster = read_cluster(&objects).unwrap_or_else(|e| panic!("{}: {e:#}", step.name));
    let lines = std::fs::read_to_string(step.path.join("queries.jsonl")).unwrap();
    let parse = |line| Query::parse(line).unwrap_or_else(|e| panic!("{}: {e:#}", step.name));
    (cluster, lines.lines().map(parse).collect())
}

#[test]
fn every_stated_verdict_is_the_evaluators() {
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for step in steps() {
        let (cluster, queries) = read(&step);
        for (line, query) in queries.iter().enumerate() {
            let place = format!("{}/queries.jsonl:{}", step.name, line + 1);
            match evaluate(&cluster, query) {
                Ok(answer) if Some(answer.allow) == query.expected() => asked += 1,
                Ok(answer) => wrong.push(format!("{place}: {query:?}: {answer:?}")),
                Err(error) => wrong.push(format!("{place}: {query:?}: {error:#}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), asked + wrong.len(), wrong.join("\n"));
    assert!(asked > 5000, "only {asked} queries");
}

#[test]
fn every_query_states_its_verdict_and_a_known_protocol_and_is_asked_once() {
    for step in steps() {
        let mut seen = BTreeSet::new();
        for query in read(&step).1 {
            assert!(query.expected().is_some(), "{}: {query:?} states no verdict", step.name);
            assert!(["TCP", "UDP", "SCTP"].contains(&query.protocol.as_str()), "{}: {query:?}", step.name);
            let key =
                (query.from.clone(), query.to.clone(), query.port, query.protocol.clone(), query.family);
            assert!(seen.insert(key), "{}: {query:?} is asked twice", step.name);
        }
    }
}

/// So that an engine with real packets finds somebody to answer.
#[test]
fn whoever_is_asked_serves_the_port() {
    for step in steps() {
        let (cluster, queries) = read(&step);
        for query in queries {
            assert!(is_served(&cluster, &query), "{}: {query:?}: nobody serves this port there", step.name);
        }
    }
}

#[test]
fn every_backend_that_is_a_pod_or_node_serves_its_target_port() {
    for step in steps() {
        let (cluster, _) = read(&step);
        for service in &cluster.services {
            for (entry, backend) in service.ports.iter().flat_map(|e| e.backends.iter().map(move |b| (e, b)))
            {
                let at = |p: &&ringfence_integration::evaluator::Pod| p.addresses.contains(&backend.address);
                let pods: Vec<_> = cluster.pods.iter().filter(at).collect();
                let mut ports = pods.iter().flat_map(|p| &p.ports);
                let serves = ports.any(|c| c.port == backend.port && c.protocol == entry.protocol);
                assert!(pods.is_empty() || serves, "{}: {}: {backend:?}", step.name, service.name);
            }
        }
    }
}

#[test]
fn every_case_has_both_families_both_verdicts_and_pairs_within_and_across_nodes() {
    let all_allowed = ["allow-all", "ingress-from-all-namespaces"];
    let literal = |text: &str| text.parse::<IpAddr>().ok().map(Family::of);
    for case in directories(&root()) {
        let name = name_of(&case);
        let (mut families, mut verdicts, mut same_node) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for step in steps().iter().filter(|s| s.path.starts_with(&case)) {
            let (cluster, queries) = read(step);
            for query in queries {
                verdicts.insert(query.expected());
                families.insert(query.family.or(literal(&query.from)).or(literal(&query.to)));
                let node = |text: &str| {
                    let (namespace, name) = text.split_once('/')?;
                    Some(cluster.pod(namespace, name)?.node.clone())
                };
                if let (Some(a), Some(b), false) =
                    (node(&query.from), node(&query.to), query.from == query.to)
                {
                    same_node.insert(a == b);
                }
            }
        }
        assert_eq!(families, [Some(Family::IPv4), Some(Family::IPv6)].into(), "{name}");
        assert!(verdicts.len() == 2 || all_allowed.contains(&name.as_str()), "{name}: {verdicts:?}");
        assert!(same_node.len() == 2 || name.starts_with("trap-"), "{name}: on one node: {same_node:?}");
    }
}

#[test]
fn the_readme_lists_exactly_the_cases_there_are() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let cell =
        |line: &str| Some(line.strip_prefix("| ")?.rsplit_once("| `")?.1.strip_suffix("` |")?.to_owned());
    let listed: BTreeSet<String> = readme.lines().filter_map(cell).collect();
    let present: BTreeSet<String> = directories(&root()).iter().map(|p| name_of(p)).collect();
    assert_eq!(listed, present);
}
