//! Directories made for a test.
use crate::model::ObjectName;
use crate::watch::directory::{LoadErrors, Loaded, Mode, read};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A directory with these files.
pub(crate) fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

/// What accepting a directory with this one file gives.
pub(crate) fn accept(text: &str) -> Result<Loaded, LoadErrors> {
    read(directory(&[("a.yaml", text)]).path(), Mode::Accept)
}

/// As [`accept`], for an agent.
pub(crate) fn watch(text: &str) -> Result<Loaded, LoadErrors> {
    read(directory(&[("a.yaml", text)]).path(), Mode::Watch)
}

/// A pod of namespace `ns` with more of its `spec` and, after that, of the object.
pub(crate) fn pod(name: &str, spec: &str, rest: &str) -> String {
    format!(
        "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: ns, labels: {{app: {name}}}}}, \
         spec: {{containers: [{{name: c}}], {spec}}}, {rest}}}\n"
    )
}

/// A node with this spec and, after that, more of the object.
pub(crate) fn node(name: &str, spec: &str, rest: &str) -> String {
    format!("---\n{{apiVersion: v1, kind: Node, metadata: {{name: {name}}}, spec: {{{spec}}}, {rest}}}\n")
}

/// Names of the pods.
pub(crate) fn pods(loaded: &Loaded) -> Vec<String> {
    loaded.pods.keys().map(ToString::to_string).collect()
}

/// A pod's addresses, joined by spaces.
pub(crate) fn addresses(loaded: &Loaded, pod: &str) -> String {
    let pod = &loaded.pods[&ObjectName::new("ns", pod)].value;
    pod.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// A pod's node.
pub(crate) fn node_of(loaded: &Loaded, pod: &str) -> String {
    loaded.pods[&ObjectName::new("ns", pod)].value.node.clone().unwrap()
}

/// Writes every object of a cluster into a file of its own.
pub(crate) fn write_all(loaded: &Loaded, directory: &Path) {
    for (i, object) in loaded.objects().iter().enumerate() {
        fs::write(directory.join(format!("{i:04}.json")), object.to_string()).unwrap();
    }
}

/// Everything that decides something, comparably.
pub(crate) fn essence(loaded: &Loaded) -> String {
    let s = loaded.snapshot();
    format!(
        "{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}",
        s.pods, s.namespaces, s.nodes, s.services, s.slices, s.policies, s.publications
    )
}

/// Asserts that reading fails with exactly these errors, each of which begins so (after the directory's path).
pub(crate) fn assert_errors(files: &[(&str, &str)], expected: &[&str]) {
    let directory = directory(files);
    let errors = read(directory.path(), Mode::Accept).expect_err("it is accepted").to_string();
    let prefix = format!("{}/", directory.path().display());
    let found: Vec<String> = errors.lines().map(|line| line.replacen(&prefix, "", 1)).collect();
    let fits = found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| f.starts_with(e));
    assert!(fits, "{files:?}\n  gave     {found:#?}\n  expected {expected:#?}");
}
