//! Following a directory change by change gives what reading it anew gives.
use super::support::pod;
use crate::desired::{Index, Snapshot};
use crate::watch::directory::{Mode, Source, read};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a file may be changed into.
#[derive(Clone, Debug)]
enum Content {
    Gone,
    Pod {
        name: &'static str,
        node: Option<&'static str>,
        label: &'static str,
        complete: bool,
        phase: &'static str,
    },
    Policy {
        name: &'static str,
        namespace: &'static str,
        valid: bool,
    },
    Service {
        name: &'static str,
        complete: bool,
    },
    Deployment {
        replicas: u8,
    },
    Namespace {
        name: &'static str,
    },
    Other(&'static str),
}

impl Content {
    fn text(&self, file: usize) -> Option<String> {
        Some(match self {
            Self::Gone => return None,
            Self::Pod { name, node, label, complete, phase } => {
                let address = format!(
                    "10.1.0.{}",
                    10 + file * 10 + name.len() + usize::from(name.as_bytes()[0] - b'a')
                );
                let rest = if *complete {
                    format!("status: {{phase: {phase}, podIPs: [{{ip: {address}}}]}}")
                } else {
                    format!("status: {{phase: {phase}}}")
                };
                let node = node.map_or(String::new(), |node| format!("nodeName: {node}"));
                pod(name, &node, &rest)
                    .replace(&format!("app: {name}"), &format!("app: {label}"))
                    .replace("namespace: ns", "namespace: ns, uid: u")
            }
            Self::Policy { name, namespace, valid } => format!(
                "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: {name}, namespace: {namespace}}}, \
                 spec: {{podSelector: {{matchLabels: {{a: {}}}}}, policyTypes: [Egress]}}}}",
                if *valid { format!("f{file}") } else { "'-'".to_owned() }
            ),
            Self::Service { name, complete } => format!(
                "{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: ns}}, spec: {{{} ports: [{{port: {}}}]}}}}",
                if *complete { format!("clusterIP: 10.96.1.{file},") } else { String::new() },
                file + 1
            ),
            Self::Deployment { replicas } => format!(
                "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: d, namespace: ns}}, spec: {{replicas: {replicas}, \
                 selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, spec: {{containers: [{{name: c}}]}}}}}}}}"
            ),
            Self::Namespace { name } => {
                format!(
                    "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{f: f{file}}}}}}}"
                )
            }
            Self::Other(text) => (*text).to_owned(),
        })
    }
}

fn any_content() -> impl Strategy<Value = Content> {
    let name = || prop::sample::select(vec!["a", "b", "c"]);
    let node = prop::option::weighted(0.9, prop::sample::select(vec!["n1", "n1", "n1", "n2", "n3"]));
    let phase = prop::sample::select(vec!["Running", "Running", "Running", "Running", "Failed"]);
    let label = prop::sample::select(vec!["x", "y"]);
    prop_oneof![
        3 => Just(Content::Gone),
        8 => (name(), node, label, prop::bool::weighted(0.9), phase)
            .prop_map(|(name, node, label, complete, phase)| Content::Pod { name, node, label, complete, phase }),
        5 => (name(), prop::sample::select(vec!["ns", "ns", "ns", "other"]), prop::bool::weighted(0.9))
            .prop_map(|(name, namespace, valid)| Content::Policy { name, namespace, valid }),
        2 => (name(), prop::bool::weighted(0.8)).prop_map(|(name, complete)| Content::Service { name, complete }),
        1 => (0u8..3).prop_map(|replicas| Content::Deployment { replicas }),
        1 => prop::sample::select(vec!["ns", "other"]).prop_map(|name| Content::Namespace { name }),
        1 => prop::sample::select(vec!["{", "", "a: b", "apiVersion: v1", "---\n---\n"]).prop_map(Content::Other),
    ]
}

/// Everything but the revision and the problems.
fn world(snapshot: &Snapshot) -> String {
    format!(
        "{:#?}{:#?}{:#?}{:#?}{:#?}",
        snapshot.pods, snapshot.namespaces, snapshot.nodes, snapshot.services, snapshot.policies
    )
}

fn base(directory: &Path) {
    let node = |n: u8| {
        format!(
            "---\n{{apiVersion: v1, kind: Node, metadata: {{name: n{n}}}, spec: {{podCIDRs: [10.{n}.0.0/16]}}, \
             status: {{addresses: [{{type: InternalIP, address: 192.0.2.{n}}}]}}}}\n"
        )
    };
    let namespace = "---\n{apiVersion: v1, kind: Namespace, metadata: {name: ns}}\n";
    fs::write(directory.join("base.yaml"), node(1) + &node(2) + namespace).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn change_by_change_and_all_at_once_come_to_the_same(
        steps in prop::collection::vec(prop::collection::vec((0usize..5, any_content()), 1..3), 1..12),
    ) {
        let directory = tempfile::tempdir().unwrap();
        base(directory.path());
        let (mut source, mut index) = (Source::new(directory.path()), Index::default());
        index.apply_all(source.scan());
        let mut good = world(&index.snapshot().unwrap());
        for step in steps {
            let mut changed: BTreeSet<PathBuf> = BTreeSet::new();
            for (file, content) in &step {
                let path = directory.path().join(format!("f{file}.yaml"));
                match content.text(*file) {
                    Some(text) => fs::write(&path, text).unwrap(),
                    None => _ = fs::remove_file(&path),
                }
                changed.insert(path);
            }
            index.apply_all(source.scan_changed(&changed));
            let snapshot = index.snapshot().unwrap();
            match read(directory.path(), Mode::Watch) {
                Ok(fresh) => {
                    let fresh = fresh.snapshot();
                    good = world(&fresh);
                    prop_assert_eq!(&world(&snapshot), &good);
                    prop_assert_eq!(snapshot.problems.len(), fresh.problems.len());
                }
                Err(errors) => {
                    prop_assert_eq!(&world(&snapshot), &good, "after an error nothing has changed");
                    prop_assert_eq!(snapshot.problems.iter().filter(|p| p.kind != "NetworkPolicy" || p.field == "metadata.name").count(), errors.0.len());
                }
            }
            prop_assert_eq!(source.scan(), []);
        }
    }
}
