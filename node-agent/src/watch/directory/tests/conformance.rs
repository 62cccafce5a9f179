//! The conformance data is what anybody's manifests look like: all of it loads, and survives being written back.
use super::support::{essence, write_all};
use crate::watch::directory::{Mode, read};
use crate::watch::queries;
use std::path::{Path, PathBuf};

/// Every directory with manifests of its own below `integration/conformance`.
fn cases() -> Vec<PathBuf> {
    fn walk(directory: &Path, cases: &mut Vec<PathBuf>) {
        let entries: Vec<_> = std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()).collect();
        if entries.iter().any(|p| p.extension().is_some_and(|e| e == "yaml")) {
            cases.push(directory.to_owned());
        }
        entries.iter().filter(|p| p.is_dir()).for_each(|p| walk(p, cases));
    }
    let mut cases = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../integration/conformance"), &mut cases);
    cases.sort();
    cases
}

#[test]
fn every_conformance_case_loads() {
    let cases = cases();
    assert!(cases.len() > 50, "only {} cases found", cases.len());
    for case in cases {
        let loaded = read(&case, Mode::Accept).unwrap_or_else(|e| panic!("{}:\n{e}", case.display()));
        assert!(!loaded.pods.is_empty(), "{}: no pods", case.display());
        for (name, pod) in &loaded.pods {
            assert!(pod.value.node.is_some() && !pod.value.addresses.is_empty(), "{name}: nowhere");
        }
    }
}

#[test]
fn every_conformance_case_is_the_same_after_being_written_back() {
    for case in cases() {
        let before = read(&case, Mode::Accept).unwrap();
        let directory = tempfile::tempdir().unwrap();
        write_all(&before, directory.path());
        let after = read(directory.path(), Mode::Accept).unwrap();
        assert_eq!(essence(&before), essence(&after), "{}", case.display());
    }
}

#[test]
fn every_conformance_query_can_be_asked() {
    let mut asked = 0;
    for case in cases() {
        let snapshot = read(&case, Mode::Accept).unwrap().snapshot();
        let resolver = queries::Resolver::new(&snapshot);
        for query in queries::read(&case.join("queries.jsonl")).unwrap_or_else(|e| panic!("{e}")) {
            resolver.resolve(&query).unwrap_or_else(|e| panic!("{e}"));
            assert!(query.expected().is_some(), "{}:{}", query.file, query.line);
            asked += 1;
        }
    }
    assert!(asked > 5000, "only {asked} queries");
}
