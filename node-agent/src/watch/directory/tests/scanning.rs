//! What an agent hears of a directory from one scan to the next.
use super::support::{directory, pod};
use crate::desired::Index;
use crate::model::ObjectName;
use crate::watch::directory::{Mode, Source, file_name, publish, read, remove, write};
use crate::watch::{Kind, Update};
use ringfence_keyring::{Epoch, PerPlane, PrivateKey, Publication, PublishedPlane};
use std::fs;
use std::path::Path;

const POLICY: &str = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: ns}, spec: {podSelector: SELECTOR}}";

fn policy(selector: &str) -> String {
    POLICY.replace("SELECTOR", selector)
}

/// What a publication of this node looks like.
pub(super) fn publication(node: &str, last: u8) -> Publication {
    let plane = |epoch: u64, port| PublishedPlane {
        public_key: PrivateKey::generate().unwrap().public(),
        epoch: Epoch::new(epoch).unwrap(),
        port,
    };
    let planes = PerPlane { zero: plane(2, 51871), one: plane(3, 51872) };
    let endpoints = [std::net::Ipv4Addr::new(192, 0, 2, last).into()];
    Publication::new(node, "uid", Epoch::new(2).unwrap(), planes, &endpoints).unwrap()
}

/// `kind name` of what was applied, `-kind name` of what was deleted, and so on.
fn told(batch: &[Update]) -> Vec<String> {
    let text = |update: &Update| match update {
        Update::Applied { object, problems, .. } => {
            format!("{}{} {}", object.kind(), "!".repeat(problems.len()), object.name())
        }
        Update::Refused { kind, name, .. } => format!("?{kind} {name}"),
        Update::Deleted { kind, name } => format!("-{kind} {name}"),
        Update::Source { problems } => format!("source: {}", problems.len()),
        Update::Restarted(kind) => format!("restarted {kind}"),
        Update::Synced(kind) => format!("synced {kind}"),
        Update::Version(version) => format!("version {version}"),
    };
    batch.iter().map(text).collect()
}

/// A source that has read a directory with a pod, pinned to the only node, and a policy.
fn started() -> (tempfile::TempDir, Source, Index) {
    let node = "---\n{apiVersion: v1, kind: Node, metadata: {name: n}}\n";
    let directory =
        directory(&[("pods.yaml", &(pod("a", "nodeName: n", "") + node)), ("policy.yaml", &policy("{}"))]);
    let (mut source, mut index) = (Source::new(directory.path()), Index::default());
    index.apply_all(source.scan());
    assert!(index.snapshot().is_some());
    (directory, source, index)
}

#[test]
fn the_first_scan_tells_everything_and_ends_with_synced() {
    let (_directory, mut source, _) = started();
    assert_eq!(source.scan(), []);
    let again = Source::new(source.directory()).scan();
    let told = told(&again);
    assert_eq!(told[..4], ["Namespace ns", "Node n", "Pod ns/a", "NetworkPolicy ns/p"]);
    assert!(told[4..].iter().all(|t| t.starts_with("synced ")) && told.len() == 4 + Kind::ALL.len());
}

#[test]
fn later_scans_tell_what_changed_and_deletions_last() {
    let (directory, mut source, _) = started();
    fs::write(directory.path().join("more.yaml"), pod("b", "nodeName: n", "")).unwrap();
    assert_eq!(told(&source.scan()), ["Pod ns/b"]);
    fs::write(directory.path().join("policy.yaml"), policy("{matchLabels: {a: b}}")).unwrap();
    fs::remove_file(directory.path().join("more.yaml")).unwrap();
    assert_eq!(told(&source.scan()), ["NetworkPolicy ns/p", "-Pod ns/b"]);
    fs::rename(directory.path().join("policy.yaml"), directory.path().join("renamed.yaml")).unwrap();
    assert_eq!(source.scan(), [], "the object is the same");
}

#[test]
fn a_change_within_the_file_systems_tick_and_of_the_same_size_is_noticed() {
    let (directory, mut source, _) = started();
    let path = directory.path().join("policy.yaml");
    for i in 0..50 {
        let label = if i % 2 == 0 { "{matchLabels: {a: b}}" } else { "{matchLabels: {c: d}}" };
        fs::write(&path, policy(label)).unwrap();
        assert_eq!(told(&source.scan()), ["NetworkPolicy ns/p"], "change {i}");
    }
}

#[test]
fn whatever_cannot_be_read_leaves_the_world_as_it_was_and_is_reported() {
    let bad = [
        ("x.yaml", "{".to_owned()),
        ("x.yaml", "apiVersion: v1\n".to_owned()),
        ("x.yaml", pod("a", "", "")),
        ("x.yaml", pod("b", "nodeName: N", "")),
        ("x.yaml", "{apiVersion: v1, kind: Node, metadata: {name: n2}, spec: {podCIDRs: [x]}}".to_owned()),
        ("pods.yaml", "{apiVersion: v1, kind: Pod".to_owned()),
    ];
    for (file, text) in bad {
        let (directory, mut source, mut index) = started();
        let before = index.snapshot().unwrap();
        let good = fs::read(directory.path().join(file)).ok();
        fs::write(directory.path().join(file), &text).unwrap();
        // Another change that comes with it is not seen either: no world in part.
        fs::write(directory.path().join("policy.yaml"), policy("{matchLabels: {a: b}}")).unwrap();
        let batch = source.scan();
        assert_eq!(told(&batch), ["source: 1"], "{text}");
        assert_eq!(source.scan(), [], "told already");
        index.apply_all(batch);
        let after = index.snapshot().unwrap();
        assert_eq!(
            (&after.policies, &after.pods, &after.nodes),
            (&before.policies, &before.pods, &before.nodes)
        );
        assert!(after.problems[0].source.contains(file), "{}", after.problems[0]);
        match good {
            Some(good) => fs::write(directory.path().join(file), good).unwrap(),
            None => fs::remove_file(directory.path().join(file)).unwrap(),
        }
        assert_eq!(told(&source.scan()), ["source: 0", "NetworkPolicy ns/p"], "mended");
    }
}

#[test]
fn a_directory_that_is_not_there_yet_has_a_problem_and_no_snapshot() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("later");
    let (mut source, mut index) = (Source::new(&directory), Index::default());
    let batch = source.scan();
    assert_eq!(told(&batch), ["source: 1"]);
    index.apply_all(batch);
    assert!(index.snapshot().is_none());
    fs::create_dir(&directory).unwrap();
    index.apply_all(source.scan());
    assert!(index.snapshot().is_some_and(|s| s.problems.is_empty() && s.nodes.len() == 3));
    fs::remove_dir(&directory).unwrap();
    index.apply_all(source.scan());
    assert!(
        index.snapshot().is_some_and(|s| s.problems.len() == 1 && s.nodes.len() == 3),
        "and when it goes"
    );
}

#[test]
fn an_invalid_policy_is_told_with_its_problems_and_again_when_it_is_mended() {
    let (directory, mut source, mut index) = started();
    fs::write(directory.path().join("policy.yaml"), policy("{matchLabels: {a: '-'}}")).unwrap();
    let batch = source.scan();
    assert_eq!(told(&batch), ["NetworkPolicy! ns/p"]);
    index.apply_all(batch);
    assert_eq!(index.snapshot().unwrap().problems.len(), 1);
    assert_eq!(source.scan(), []);
    fs::write(directory.path().join("policy.yaml"), policy("{}")).unwrap();
    index.apply_all(source.scan());
    assert_eq!(index.snapshot().unwrap().problems.len(), 0);
}

#[test]
fn a_publication_that_becomes_invalid_stays_as_it_was_until_it_is_gone() {
    let (directory, mut source, mut index) = started();
    let good = publication("n", 1);
    publish(directory.path(), &good).unwrap();
    assert_eq!(told(&source.scan()), ["RingfenceNode n"]);
    let file = directory.path().join(file_name(Kind::RingfenceNode, &ObjectName::new("", "n")));
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("51871", "0")).unwrap();
    let batch = source.scan();
    assert_eq!(told(&batch), ["RingfenceNode! n"]);
    index.apply_all(batch);
    let snapshot = index.snapshot().unwrap();
    assert_eq!((&*snapshot.publications["n"], snapshot.problems.len()), (&good, 1));
    fs::remove_file(&file).unwrap();
    let batch = source.scan();
    assert_eq!(told(&batch), ["-RingfenceNode n"]);
    index.apply_all(batch);
    assert_eq!(index.snapshot().unwrap().problems.len(), 0);
}

#[test]
fn a_publication_that_was_never_valid_is_refused_until_it_is_gone() {
    let (directory, mut source, mut index) = started();
    let text = "{apiVersion: ringfence.dev/v1alpha1, kind: RingfenceNode, metadata: {name: m}, spec: {}}";
    fs::write(directory.path().join("m.yaml"), text).unwrap();
    let batch = source.scan();
    assert_eq!(told(&batch), ["?RingfenceNode m"]);
    index.apply_all(batch);
    assert_eq!(source.scan(), []);
    fs::remove_file(directory.path().join("m.yaml")).unwrap();
    let batch = source.scan();
    assert_eq!(told(&batch), ["-RingfenceNode m"]);
    index.apply_all(batch);
    assert_eq!(index.snapshot().unwrap().problems.len(), 0);
}

#[test]
fn a_published_object_reads_back_the_same_and_is_only_written_when_it_changes() {
    let directory = directory(&[]);
    let first = publication("n", 1);
    publish(directory.path(), &first).unwrap();
    let path = directory.path().join("ringfencenode.n.json");
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let before = inode(&path);
    publish(directory.path(), &first).unwrap();
    assert_eq!(inode(&path), before);
    let mut source = Source::new(directory.path());
    source.scan();
    assert_eq!(*read(directory.path(), Mode::Accept).unwrap().publications["n"].value, first);
    let second = publication("n", 2);
    publish(directory.path(), &second).unwrap();
    assert_eq!(told(&source.scan()), ["RingfenceNode n"]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    let error = publish(&directory.path().join("nowhere"), &first).unwrap_err().to_string();
    assert!(error.contains("nowhere/ringfencenode.n.json: write it: No such file"), "{error}");
}

#[test]
fn an_object_is_written_into_a_file_of_its_own_and_removed_from_there() {
    let directory = directory(&[]);
    let name = ObjectName::new("shop", "web-0");
    let object = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop"}});
    write(directory.path(), Kind::Pod, &name, &object).unwrap();
    assert!(directory.path().join("pod.shop.web-0.json").is_file());
    remove(directory.path(), Kind::Pod, &name).unwrap();
    remove(directory.path(), Kind::Pod, &name).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    assert_eq!(file_name(Kind::Pod, &ObjectName::new("../..", "/etc/x")), "pod..._..._etc_x.json");
}

#[test]
fn where_nothing_has_to_be_filled_in_a_change_looks_at_nothing_else() {
    let (directory, _, _) = started();
    // Written back, everything is complete.
    let written = tempfile::tempdir().unwrap();
    super::support::write_all(&read(directory.path(), Mode::Accept).unwrap(), written.path());
    let mut source = Source::new(written.path());
    source.scan();
    // Nobody said that this one came, so it is not seen before everything is looked at.
    fs::write(written.path().join("unheard.yaml"), "{").unwrap();
    let path = written.path().join("more.yaml");
    let mut change = |text: Option<&str>| {
        match text {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        told(&source.scan_changed(&[path.clone()].into()))
    };
    let second = policy("{}").replace("name: p", "name: q");
    assert_eq!(change(Some(&second)), ["NetworkPolicy ns/q"]);
    assert_eq!(change(Some(&format!("# a comment\n{second}"))), Vec::<String>::new());
    let complete = pod("b", "nodeName: n", "status: {podIPs: [{ip: 10.244.1.77}]}")
        .replace("namespace: ns", "namespace: ns, uid: u");
    assert_eq!(change(Some(&complete)), ["Pod ns/b", "-NetworkPolicy ns/q"]);
    assert_eq!(change(None), ["-Pod ns/b"]);
    // One that must be given an address needs to know all others.
    assert_eq!(change(Some(&pod("b", "nodeName: n", ""))), ["source: 1"]);
}
