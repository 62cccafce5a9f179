//! What is remembered across restarts, and what of it if the file is damaged.
use super::*;
use crate::mesh::memory::{Departed, Known};
use crate::mesh::spec::{BLACKHOLE_METRIC, LockSpec, POD_TABLE, RouteSpec, RouteVia};
use std::collections::BTreeMap;
use std::fs;

const HOLD: u64 = 3600;

fn known(addresses: &[&str]) -> Known {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Known { uid: "uid".to_owned(), member: true, addresses, ..Known::default() }
}

/// An agent keeps two nodes' addresses closed, one of which it knows as b's.
fn mesh() -> MeshSpec {
    let hole = |destination: &str| RouteSpec {
        table: POD_TABLE,
        destination: destination.parse().unwrap(),
        metric: BLACKHOLE_METRIC,
        via: RouteVia::Blackhole,
    };
    let networks = |all: &[&str]| all.iter().map(|network| network.parse().unwrap()).collect();
    MeshSpec {
        routes: [hole("192.0.2.2/32"), hole("2001:db8::2/128")].into(),
        lock: LockSpec {
            cluster: networks(&["10.244.1.0/24", "10.244.2.0/24"]),
            local: networks(&["10.244.1.0/24"]),
            nodes: ["192.0.2.3".parse().unwrap()].into(),
        },
        known: BTreeMap::from([("b".to_owned(), known(&["192.0.2.2"]))]),
        ..MeshSpec::default()
    }
}

#[test]
fn what_is_known_and_what_is_closed_outlives_the_agent() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Remembered::open(dir.path(), HOLD);
    first.learn(&mesh()).unwrap();
    first.follow(&Snapshot::default());
    first.learn(&MeshSpec::default()).unwrap();
    assert_eq!(first.memory().departed[0].node, "b");
    assert_eq!(Remembered::open(dir.path(), HOLD).memory(), first.memory());
}

#[test]
fn of_a_damaged_file_a_copy_is_kept_and_what_was_closed_stays_so_across_further_starts() {
    let dir = tempfile::tempdir().unwrap();
    guard::note(dir.path(), &mesh()).unwrap();
    for damaged in ["", "{", "{\"known\": 7}", "\0\0\0\0"] {
        fs::write(dir.path().join(FILE), damaged).unwrap();
        // Also if the first of them ends before it has written anything.
        for _ in 0..2 {
            let closed = Remembered::open(dir.path(), HOLD);
            let had = Known {
                addresses: ["192.0.2.2", "192.0.2.3", "2001:db8::2"].map(|a| a.parse().unwrap()).to_vec(),
                pod_cidrs: ["10.244.2.0/24".parse().unwrap()].into(),
                ..Known::default()
            };
            assert_eq!(closed.memory().departed, [Departed { had, ..Departed::default() }], "{damaged:?}");
            assert_eq!(fs::read_to_string(dir.path().join(ASIDE)).unwrap(), damaged);
        }
        let mut next = Remembered::open(dir.path(), HOLD);
        next.follow(&Snapshot::default());
        next.learn(&mesh()).unwrap();
        let after = Remembered::open(dir.path(), HOLD);
        assert_eq!(after.memory(), next.memory());
        // What a node has is its own again, the rest stays.
        assert_eq!(after.memory().departed[0].had.addresses.len(), 2);
        assert_eq!(fs::read_to_string(dir.path().join(ASIDE)).unwrap(), damaged, "kept");
    }
}

#[test]
fn a_node_that_never_had_an_agent_remembers_nothing_and_keeps_no_copy() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(*Remembered::open(dir.path(), HOLD).memory(), Memory::default());
    assert!(!dir.path().join(ASIDE).exists());
    // Nor one that has lost both files: there is nothing to tell it by.
    fs::write(dir.path().join(FILE), "{").unwrap();
    assert_eq!(*Remembered::open(dir.path(), HOLD).memory(), Memory::default());
}
