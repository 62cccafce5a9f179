//! The store as its users see it; `refusals` has what it does not accept, `crashes` what it recovers from.

mod crashes;
mod refusals;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;

const UID: &str = "6f0c1d8e-0d0a-4b52-9a51-1f3b7f0e2c11";
const OTHER_UID: &str = "aaaaaaaa-0d0a-4b52-9a51-1f3b7f0e2c11";

fn epoch(number: u64) -> Epoch {
    Epoch::new(number).unwrap()
}

fn place() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("state/keys");
    (parent, dir)
}

fn open(dir: &Path) -> KeyStore {
    KeyStore::open(dir, UID).unwrap()
}

fn names(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn both_names() -> BTreeSet<String> {
    ["rf-wg0.key", "rf-wg1.key"].map(String::from).into()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn publics(keys: &PlaneKeys) -> [crate::PublicKey; 2] {
    Plane::ALL.map(|plane| keys.get(plane).public())
}

#[test]
fn an_empty_store_gets_the_mesh_epoch_on_the_active_plane_and_the_next_on_the_idle_one() {
    for (mesh, zero, one) in [(0, 0, 1), (1, 2, 1), (6, 6, 7), (7, 8, 7)] {
        let (_parent, dir) = place();
        let keys = open(&dir).load_or_create(epoch(mesh)).unwrap();
        assert_eq!(keys.epochs(), PerPlane { zero: epoch(zero), one: epoch(one) });
        assert_ne!(keys.get(Plane::Zero).public(), keys.get(Plane::One).public());
        assert_eq!(keys.get(Plane::Zero).private().public(), keys.get(Plane::Zero).public());
    }
}

#[test]
fn keys_come_back_the_same_from_disk() {
    let (_parent, dir) = place();
    let made = open(&dir).load_or_create(epoch(4)).unwrap();
    let read = open(&dir).load_or_create(epoch(4)).unwrap();
    assert_eq!(publics(&made), publics(&read));
    assert_eq!(made.epochs(), read.epochs());
    for plane in Plane::ALL {
        assert_eq!(made.get(plane).private().expose_bytes(), read.get(plane).private().expose_bytes());
    }
}

#[test]
fn in_the_middle_of_a_rotation_both_epochs_admit_the_same_keys() {
    let (_parent, dir) = place();
    let before = open(&dir).load_or_create(epoch(4)).unwrap();
    let after = open(&dir).load_or_create(epoch(5)).unwrap();
    assert_eq!(publics(&before), publics(&after));
}

#[test]
fn only_the_owner_has_rights_on_anything_in_it() {
    let (_parent, dir) = place();
    open(&dir).load_or_create(Epoch::ZERO).unwrap();
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(dir.parent().unwrap()), 0o700);
    assert_eq!(names(&dir), both_names());
    for name in both_names() {
        assert_eq!(mode(&dir.join(name)), 0o600);
    }
}

#[test]
fn a_key_is_never_overwritten() {
    let (_parent, dir) = place();
    let mut store = open(&dir);
    let keys = store.load_or_create(Epoch::ZERO).unwrap();
    let before = fs::read(dir.join("rf-wg0.key")).unwrap();
    let refused = store.create(Plane::Zero, epoch(2)).unwrap_err();
    assert!(matches!(&refused, StoreError::Exists { path } if *path == dir.join("rf-wg0.key")), "{refused}");
    assert_eq!(fs::read(dir.join("rf-wg0.key")).unwrap(), before);
    assert_eq!(names(&dir), both_names());
    assert_eq!(publics(&store.load_or_create(Epoch::ZERO).unwrap()), publics(&keys));
}

#[test]
fn a_retired_key_is_overwritten_before_its_name_goes() {
    let (_parent, dir) = place();
    let mut store = open(&dir);
    store.load_or_create(Epoch::ZERO).unwrap();
    // An open file outlives its name and shows what was done to the bytes.
    let witness = fs::File::open(dir.join("rf-wg0.key")).unwrap();
    let length = witness.metadata().unwrap().len() as usize;
    assert!(store.retire(Plane::Zero).unwrap());
    let left = file::read_up_to(&witness, &dir, 4096).unwrap();
    assert_eq!(*left, vec![0; length]);
    assert_eq!(names(&dir), ["rf-wg1.key".to_owned()].into());
    assert!(!store.retire(Plane::Zero).unwrap(), "nothing is left to retire");
}

#[test]
fn a_plane_goes_from_one_epoch_to_the_next_but_one_by_retire_and_create() {
    let (_parent, dir) = place();
    let mut store = open(&dir);
    let before = publics(&store.load_or_create(Epoch::ZERO).unwrap());
    store.retire(Plane::Zero).unwrap();
    let made = store.create(Plane::Zero, epoch(2)).unwrap();
    let after = store.load_or_create(epoch(1)).unwrap();
    assert_eq!(after.epochs(), PerPlane { zero: epoch(2), one: epoch(1) });
    assert_eq!(publics(&after), [made.public(), before[1]]);
    assert_ne!(before[0], made.public());
}

#[test]
fn a_key_of_the_other_planes_epoch_is_not_made() {
    let (_parent, dir) = place();
    let refused = open(&dir).create(Plane::Zero, epoch(3)).unwrap_err();
    assert!(matches!(refused, StoreError::WrongPlane { plane: Plane::Zero, .. }));
    assert!(names(&dir).is_empty());
}

#[test]
fn remaking_leaves_no_old_key() {
    let (_parent, dir) = place();
    let mut store = open(&dir);
    let before = publics(&store.load_or_create(Epoch::ZERO).unwrap());
    let keys = store.remake(epoch(9)).unwrap();
    assert_eq!(keys.epochs(), PerPlane { zero: epoch(10), one: epoch(9) });
    assert!(publics(&keys).iter().all(|key| !before.contains(key)));
    assert_eq!(publics(&store.load_or_create(epoch(9)).unwrap()), publics(&keys));
    assert_eq!(names(&dir), both_names());
}

#[test]
fn keys_made_for_another_node_are_destroyed_only_when_that_is_asked_for() {
    let (_parent, dir) = place();
    let before = publics(&open(&dir).load_or_create(Epoch::ZERO).unwrap());
    let refused = KeyStore::open(&dir, OTHER_UID).unwrap_err();
    assert!(
        matches!(&refused, StoreError::OtherNode { stored, wanted, .. } if stored == UID && wanted == OTHER_UID)
    );
    assert_eq!(names(&dir), both_names());

    let (mut store, destroyed) = KeyStore::open_for_new_node(&dir, OTHER_UID).unwrap();
    assert!(destroyed && names(&dir).is_empty());
    let keys = store.load_or_create(epoch(2)).unwrap();
    assert!(publics(&keys).iter().all(|key| !before.contains(key)));
    drop(store);
    let (_, destroyed) = KeyStore::open_for_new_node(&dir, OTHER_UID).unwrap();
    assert!(!destroyed, "its own keys stay");
    assert_eq!(names(&dir), both_names());
}

#[test]
fn keys_agree_only_with_what_was_published_of_them() {
    let (_parent, dir) = place();
    let mut store = open(&dir);
    let keys = store.load_or_create(epoch(2)).unwrap();
    let address = ["192.0.2.1".parse().unwrap()];
    let publish = |keys: &PlaneKeys, mesh| {
        let planes = keys.published(PerPlane::DEFAULT_PORTS);
        crate::Publication::new("n1", UID, epoch(mesh), planes, &address).unwrap()
    };
    let published = publish(&keys, 2);
    assert!(keys.agree_with(&published));
    store.retire(Plane::One).unwrap();
    store.create(Plane::One, epoch(3)).unwrap();
    let changed = store.load_or_create(epoch(2)).unwrap();
    assert!(!changed.agree_with(&published) && changed.agree_with(&publish(&changed, 2)));
}
