//! Which state of a directory has been said.
use super::support::{directory, node, pod};
use crate::model::SourceVersion;
use crate::watch::directory::{Source, version};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn now(directory: &Path) -> SourceVersion {
    version(directory).unwrap()
}

#[test]
fn what_was_scanned_is_the_version_that_whoever_wrote_it_computes() {
    let n = node("n", "", "");
    let directory = directory(&[("n.yaml", &n), ("sub/a.yaml", &pod("a", "nodeName: n", ""))]);
    let path = directory.path();
    let mut source = Source::new(path);
    assert_eq!(source.version(), None, "nothing was read yet");
    source.scan();
    let first = source.version();
    assert_eq!(first, Some(now(path)));

    fs::write(path.join("b.yaml"), pod("b", "nodeName: n", "")).unwrap();
    assert_ne!(first, Some(now(path)));
    assert_eq!(source.version(), first, "it has not been said yet");
    source.scan_changed(&BTreeSet::from([path.join("b.yaml")]));
    assert_eq!(source.version(), Some(now(path)));

    fs::write(path.join("b.yaml"), pod("b", "nodeName: n", "x: y")).unwrap();
    fs::remove_file(path.join("sub/a.yaml")).unwrap();
    source.scan();
    assert_eq!(source.version(), Some(now(path)));
    fs::remove_file(path.join("b.yaml")).unwrap();
    fs::write(path.join("sub/a.yaml"), pod("a", "nodeName: n", "")).unwrap();
    source.scan();
    assert_eq!(source.version(), first, "the same again is the same version");
}

#[test]
fn names_and_texts_of_manifests_count_and_nothing_else_does() {
    let a = pod("a", "", "");
    let of = |files: &[(&str, &str)]| now(directory(files).path());
    let first = of(&[("a.yaml", &a), ("b.yaml", "# b")]);
    assert_eq!(first, of(&[("b.yaml", "# b"), ("a.yaml", &a), (".hidden.yaml", "x"), ("notes.txt", "y")]));
    let others = [
        of(&[("a.yaml", &a)]),
        of(&[("a.yaml", &a), ("b.yaml", "# c")]),
        of(&[("a.yaml", &a), ("c.yaml", "# b")]),
        of(&[("a.yaml", "# b"), ("b.yaml", &a)]),
        of(&[]),
    ];
    assert!(!others.contains(&first) && others.iter().collect::<BTreeSet<_>>().len() == others.len());
    assert_eq!(first.to_string().len(), 16);
}

#[test]
fn a_directory_that_cannot_be_read_has_no_version_until_it_can() {
    let directory = directory(&[("n.yaml", &node("n", "", ""))]);
    let path = directory.path();
    let mut source = Source::new(path);
    source.scan();
    let first = source.version();
    fs::write(path.join("bad.yaml"), "kind: [").unwrap();
    source.scan();
    assert_eq!(source.version(), None, "what is said is of before");
    fs::remove_file(path.join("bad.yaml")).unwrap();
    source.scan();
    assert_eq!(source.version(), first);
}
