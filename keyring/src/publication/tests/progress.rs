//! What is published of rotation.

use super::*;
use crate::audit::Head;

fn progress() -> Progress {
    Progress {
        serial: 12,
        leaving: PerPlane { zero: false, one: true },
        turns: 1,
        fresh: Some(epoch(3)),
        outdated: [("worker-2".to_owned(), 7)].into(),
        head: Some(Head { number: 40, hash: "0a".repeat(32) }),
    }
}

#[test]
fn what_is_published_of_rotation_is_read_back() {
    let endpoints = ["192.0.2.7".parse().unwrap()];
    let plain = Publication::new("worker-1", "6f0c1d8e-0d0a", epoch(4), planes(), &endpoints).unwrap();
    assert_eq!(*plain.progress(), Progress::default());
    let whole = plain.with(progress()).unwrap();
    let value = whole.to_value();
    assert_eq!(value["spec"]["planes"][1]["leaving"], true);
    assert_eq!((&value["spec"]["serial"], &value["spec"]["audit"]["number"]), (&json!(12), &json!(40)));
    assert_eq!(Publication::from_value(value).unwrap(), whole);
    let published = whole.published();
    let head = progress().head;
    let again = Publication::of(&published, PerPlane::DEFAULT_PORTS, &endpoints, head).unwrap();
    assert_eq!(again, whole);
}

#[test]
fn an_object_without_rotation_is_read_as_it_always_was() {
    let old = Publication::from_value(object()).unwrap();
    assert_eq!((old.progress(), old.published().serial), (&Progress::default(), 0));
    assert!(old.to_value()["spec"].get("serial").is_none());
}

#[test]
fn malformed_progress_is_refused_and_named() {
    for (field, wrong) in [
        ("serial", json!("12")),
        ("serial", json!(-1)),
        ("serial", json!(1_u64 << 53)),
        ("turns", json!(u64::MAX)),
        ("fresh", json!(1_u64 << 60)),
        ("outdated", json!({"Worker_2": 1})),
        ("outdated", json!({"worker-2": u64::MAX})),
        ("audit", json!({"number": 1})),
        ("audit", json!({"number": 1, "hash": "00"})),
        ("audit", json!({"number": 1, "hash": "zz".repeat(32)})),
    ] {
        let mut object = object();
        object["spec"][field] = wrong.clone();
        let refused = Publication::from_value(object).unwrap_err();
        assert!(refused.field.starts_with(&format!("spec.{field}")), "{field} {wrong}: {refused}");
        assert_eq!(refused.object, "RingfenceNode worker-1");
    }
}
