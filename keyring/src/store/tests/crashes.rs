//! Each test prepares what a process killed at one point leaves, and opens it.

use super::*;

/// A store with both keys of epochs 0 and 1, and their public keys.
fn made() -> (TempDir, PathBuf, [crate::PublicKey; 2]) {
    let (parent, dir) = place();
    let keys = open(&dir).load_or_create(Epoch::ZERO).unwrap();
    (parent, dir, publics(&keys))
}

fn converged(dir: &Path, mesh: u64) -> [crate::PublicKey; 2] {
    let keys = open(dir).load_or_create(epoch(mesh)).unwrap();
    assert_eq!(names(dir), both_names(), "nothing is left over");
    publics(&keys)
}

fn write_secret(path: &Path, text: &[u8]) {
    file::write_new(path, text).unwrap();
}

#[test]
fn killed_after_making_the_directory() {
    let (_parent, dir) = place();
    drop(open(&dir));
    assert!(names(&dir).is_empty());
    converged(&dir, 0);
}

#[test]
fn killed_while_writing_a_new_key_at_any_byte() {
    let (_parent, dir, before) = made();
    let whole = fs::read(dir.join("rf-wg0.key")).unwrap();
    fs::remove_file(dir.join("rf-wg0.key")).unwrap();
    for length in [0, 1, 17, whole.len() / 2, whole.len() - 1, whole.len()] {
        write_secret(&dir.join("rf-wg0.key.new"), &whole[..length]);
        let after = converged(&dir, 0);
        assert_ne!(after[0], before[0], "what was not linked was never a key");
        assert_eq!(after[1], before[1]);
        open(&dir).retire(Plane::Zero).unwrap();
    }
}

#[test]
fn killed_between_linking_a_new_key_and_removing_its_first_name() {
    let (_parent, dir, before) = made();
    for plane in Plane::ALL {
        let name = dir.join(format!("{plane}.key"));
        fs::hard_link(&name, dir.join(format!("{plane}.key.new"))).unwrap();
    }
    // The two names are one file: wiping the leftover would wipe the key.
    assert_eq!(converged(&dir, 0), before);
}

#[test]
fn killed_between_the_two_keys() {
    for (mesh, lost) in [(0, Plane::One), (1, Plane::Zero), (0, Plane::Zero), (1, Plane::One)] {
        let (_parent, dir) = place();
        let before = publics(&open(&dir).load_or_create(epoch(mesh)).unwrap());
        fs::remove_file(dir.join(format!("{lost}.key"))).unwrap();
        let after = converged(&dir, mesh);
        let kept = lost.other().index();
        assert_eq!(after[kept], before[kept], "the one that is there stays");
        assert_ne!(after[lost.index()], before[lost.index()]);
    }
}

#[test]
fn one_key_that_does_not_fit_the_mesh_is_not_completed_silently() {
    let (_parent, dir, _) = made();
    fs::remove_file(dir.join("rf-wg1.key")).unwrap();
    let refused = open(&dir).load_or_create(epoch(4)).unwrap_err();
    let expected = "epochs 0 and none, which do not fit the mesh's epoch 4";
    assert!(refused.to_string().contains(expected), "{refused}");
    assert_eq!(names(&dir), ["rf-wg0.key".to_owned()].into());
}

#[test]
fn killed_while_retiring_after_the_rename_or_half_way_through_the_overwriting() {
    for wiped in [0, 1, 100, usize::MAX] {
        let (_parent, dir, before) = made();
        let retired = dir.join("rf-wg0.key.retired");
        fs::rename(dir.join("rf-wg0.key"), &retired).unwrap();
        let mut bytes = fs::read(&retired).unwrap();
        let length = bytes.len();
        bytes[..wiped.min(length)].fill(0);
        fs::write(&retired, &bytes).unwrap();
        let witness = fs::File::open(&retired).unwrap();

        drop(open(&dir));
        assert_eq!(names(&dir), ["rf-wg1.key".to_owned()].into());
        let left = file::read_up_to(&witness, &dir, 4096).unwrap();
        assert_eq!(*left, vec![0; length], "the rest is wiped too");
        let after = converged(&dir, 1);
        assert!(!after.contains(&before[0]) && after.contains(&before[1]));
    }
}

#[test]
fn killed_anywhere_while_both_keys_are_discarded() {
    for gone in [[].as_slice(), &[Plane::Zero], &[Plane::One], &Plane::ALL] {
        for renamed in [false, true] {
            let (_parent, dir, before) = made();
            write_secret(&dir.join("discard"), b"");
            for plane in gone {
                let path = dir.join(format!("{plane}.key"));
                if renamed {
                    fs::rename(&path, dir.join(format!("{plane}.key.retired"))).unwrap();
                } else {
                    fs::remove_file(&path).unwrap();
                }
            }
            // Whoever comes next sees no old key, whatever it came for.
            let store = open(&dir);
            assert!(names(&dir).is_empty());
            drop(store);
            assert!(converged(&dir, 7).iter().all(|key| !before.contains(key)));
        }
    }
}

#[test]
fn killed_before_the_keys_of_another_node_are_gone() {
    let (_parent, dir, before) = made();
    write_secret(&dir.join("discard"), b"");
    let mut store = KeyStore::open(&dir, OTHER_UID).unwrap();
    let keys = store.load_or_create(Epoch::ZERO).unwrap();
    assert!(publics(&keys).iter().all(|key| !before.contains(key)));
}

#[test]
fn a_first_name_left_by_a_failed_removal_does_not_stop_the_next_key() {
    let (_parent, dir, before) = made();
    let mut store = open(&dir);
    fs::hard_link(dir.join("rf-wg0.key"), dir.join("rf-wg0.key.new")).unwrap();
    store.retire(Plane::Zero).unwrap();
    let made = store.create(Plane::Zero, epoch(2)).unwrap();
    drop(store);
    assert_eq!(converged(&dir, 1), [made.public(), before[1]]);
}

#[test]
fn names_that_are_not_the_stores_are_left_alone() {
    let (_parent, dir, before) = made();
    write_secret(&dir.join("notes.txt"), b"mine");
    assert_eq!(publics(&open(&dir).load_or_create(Epoch::ZERO).unwrap()), before);
    assert_eq!(fs::read(dir.join("notes.txt")).unwrap(), b"mine");
}
