//! The index between sources and snapshots.
use super::Index;
use crate::model::{Labels, Namespace, ObjectName, Pod, Problem, SourceVersion};
use crate::watch::{Kind, Object, Update};
use std::sync::Arc;

fn pod(name: &str, node: &str) -> Update {
    let pod = Pod {
        name: ObjectName::new("ns", name),
        uid: format!("uid-{name}"),
        labels: Arc::default(),
        node: Some(node.to_owned()),
        addresses: Vec::new(),
        host_network: false,
        ports: Vec::new(),
    };
    Update::Applied { object: Object::Pod(Arc::new(pod)), origin: None, problems: Vec::new() }
}

fn namespace(name: &str) -> Update {
    let namespace = Namespace { name: name.to_owned(), labels: Arc::new(Labels::new()) };
    Update::Applied { object: Object::Namespace(Arc::new(namespace)), origin: None, problems: Vec::new() }
}

fn deleted(name: &str) -> Update {
    Update::Deleted { kind: Kind::Pod, name: ObjectName::new("ns", name) }
}

fn problem(text: &str) -> Problem {
    let object = ObjectName::new("ns", "p");
    Problem { source: "s".into(), kind: "Pod".into(), object, field: "f".into(), message: text.into() }
}

/// An index in which every kind has synced.
fn synced(updates: impl IntoIterator<Item = Update>) -> Index {
    let mut index = Index::default();
    index.apply_all(updates);
    index.apply_all(Kind::ALL.map(Update::Synced));
    index
}

fn names(index: &mut Index) -> Vec<String> {
    index.snapshot().unwrap().pods.keys().map(|n| n.name.clone()).collect()
}

#[test]
fn there_is_no_snapshot_before_every_kind_has_synced() {
    let mut index = Index::default();
    index.apply(pod("a", "n"));
    for (i, kind) in Kind::ALL.into_iter().enumerate() {
        assert!(index.snapshot().is_none());
        assert_eq!(index.waiting_for().len(), Kind::ALL.len() - i);
        index.apply(Update::Synced(kind));
    }
    assert_eq!(index.snapshot().unwrap().pods.len(), 1);
}

#[test]
fn a_snapshot_stays_the_same_until_something_changes_and_then_has_the_next_revision() {
    let mut index = synced([pod("a", "n")]);
    let first = index.snapshot().unwrap();
    assert_eq!(first.revision, 1);
    assert!(!index.apply(pod("a", "n")), "nothing new");
    assert!(!index.apply(deleted("b")), "was never there");
    assert!(Arc::ptr_eq(&first, &index.snapshot().unwrap()));
    assert!(index.apply(pod("a", "m")));
    assert_eq!(index.snapshot().unwrap().revision, 2);
    assert_eq!(first.pods.values().next().unwrap().node.as_deref(), Some("n"), "a snapshot never changes");
}

#[test]
fn what_did_not_change_is_shared_between_snapshots() {
    let mut index = synced([pod("a", "n"), pod("b", "n"), namespace("ns")]);
    let first = index.snapshot().unwrap();
    index.apply(pod("b", "m"));
    let second = index.snapshot().unwrap();
    assert!(Arc::ptr_eq(&first.namespaces, &second.namespaces) && !Arc::ptr_eq(&first.pods, &second.pods));
    let a = ObjectName::new("ns", "a");
    assert!(Arc::ptr_eq(&first.pods[&a], &second.pods[&a]));
}

#[test]
fn deleted_objects_are_gone_with_their_problems() {
    let mut index = synced([pod("a", "n")]);
    let refused =
        Update::Refused { kind: Kind::Pod, name: ObjectName::new("ns", "a"), problems: vec![problem("x")] };
    index.apply(refused);
    assert_eq!((names(&mut index), index.snapshot().unwrap().problems.len()), (vec!["a".to_owned()], 1));
    assert!(index.apply(deleted("a")));
    assert_eq!((names(&mut index).len(), index.snapshot().unwrap().problems.len()), (0, 0));
}

#[test]
fn a_refused_object_keeps_its_former_value_and_a_good_one_clears_the_problem() {
    let mut index = synced([pod("a", "n")]);
    let refused =
        Update::Refused { kind: Kind::Pod, name: ObjectName::new("ns", "a"), problems: vec![problem("x")] };
    assert!(index.apply(refused.clone()));
    assert!(!index.apply(refused), "told already");
    assert_eq!(*index.snapshot().unwrap().problems, [problem("x")]);
    assert!(index.apply(pod("a", "n")), "the value is the same, the problem gone");
    assert_eq!(*index.snapshot().unwrap().problems, []);
}

#[test]
fn a_snapshot_bears_the_version_of_the_source_that_it_is_all_of() {
    let mut index = synced([pod("a", "n")]);
    assert_eq!(index.snapshot().unwrap().version, None);
    let (one, two) = (SourceVersion(1), SourceVersion(2));
    assert!(index.apply_all([pod("b", "n"), Update::Version(one)]));
    let first = index.snapshot().unwrap();
    assert_eq!((first.version, first.pods.len(), first.revision), (Some(one), 2, 2));
    assert!(!index.apply(Update::Version(one)));
    assert!(index.apply(Update::Version(two)), "nothing else need have changed");
    let second = index.snapshot().unwrap();
    assert!(Arc::ptr_eq(&first.pods, &second.pods) && second.version == Some(two));
}

#[test]
fn objects_that_a_new_list_does_not_mention_are_gone_when_it_is_complete_and_not_before() {
    let mut index = synced([pod("a", "n"), pod("b", "n"), pod("c", "n"), namespace("ns")]);
    index.apply(Update::Restarted(Kind::Pod));
    index.apply(pod("a", "n"));
    index.apply(pod("d", "n"));
    index.apply(Update::Refused {
        kind: Kind::Pod,
        name: ObjectName::new("ns", "c"),
        problems: vec![problem("x")],
    });
    assert_eq!(names(&mut index), ["a", "b", "c", "d"], "nothing is let go of while the list is incomplete");
    assert!(index.apply(Update::Synced(Kind::Pod)));
    assert_eq!(names(&mut index), ["a", "c", "d"]);
    assert_eq!(index.snapshot().unwrap().namespaces.len(), 1, "other kinds are not touched");
}

#[test]
fn an_object_deleted_while_it_is_listed_again_is_gone() {
    let mut index = synced([pod("a", "n")]);
    index.apply(Update::Restarted(Kind::Pod));
    index.apply_all([pod("a", "n"), pod("b", "n"), deleted("a")]);
    index.apply(Update::Synced(Kind::Pod));
    assert_eq!(names(&mut index), ["b"]);
}

#[test]
fn a_list_that_begins_twice_counts_from_the_second_time() {
    let mut index = synced([pod("a", "n")]);
    index.apply_all([
        Update::Restarted(Kind::Pod),
        pod("a", "n"),
        Update::Restarted(Kind::Pod),
        pod("b", "n"),
    ]);
    index.apply(Update::Synced(Kind::Pod));
    assert_eq!(names(&mut index), ["b"]);
}

#[test]
fn problems_of_the_source_are_known_before_any_snapshot_and_replaced_as_a_whole() {
    let mut index = Index::default();
    assert!(index.apply(Update::Source { problems: vec![problem("x"), problem("y")] }));
    assert!(index.snapshot().is_none() && index.problems().len() == 2);
    index.apply_all(Kind::ALL.map(Update::Synced));
    assert_eq!(index.snapshot().unwrap().problems.len(), 2);
    assert!(index.apply(Update::Source { problems: Vec::new() }));
    assert_eq!((index.snapshot().unwrap().problems.len(), index.snapshot().unwrap().revision), (0, 2));
}
