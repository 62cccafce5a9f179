use std::os::unix::fs::symlink;

use nix::sys::stat::Mode;
use serde_json::Value;

use super::*;

fn made() -> (TempDir, PathBuf) {
    let (parent, dir) = place();
    open(&dir).load_or_create(Epoch::ZERO).unwrap();
    (parent, dir)
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Opens what must be refused, which must leave every byte as it was.
fn refusal(dir: &Path) -> StoreError {
    let contents = || names(dir).iter().map(|name| fs::read(dir.join(name)).ok()).collect::<Vec<_>>();
    let before = contents();
    let refused = KeyStore::open(dir, UID).unwrap_err();
    assert_eq!(contents(), before, "a refused store is not touched");
    refused
}

fn damage(dir: &Path) -> Damage {
    match refusal(dir) {
        StoreError::Damaged { path, damage } => {
            assert_eq!(path, dir.join("rf-wg0.key"));
            damage
        }
        other => panic!("{other}"),
    }
}

fn edit(dir: &Path, change: impl FnOnce(&mut Value)) {
    let path = dir.join("rf-wg0.key");
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

#[test]
fn a_file_that_group_or_others_have_any_right_on_is_refused_with_the_remedy() {
    let (_parent, dir) = made();
    let path = dir.join("rf-wg1.key");
    for bits in [0o040, 0o020, 0o010, 0o004, 0o002, 0o001, 0o077] {
        chmod(&path, 0o600 | bits);
        let refused = refusal(&dir);
        assert!(matches!(&refused, StoreError::Exposed { mode, .. } if *mode == 0o600 | bits));
        assert!(refused.to_string().contains(&format!("chmod 0600 {}", path.display())), "{refused}");
    }
    chmod(&path, 0o400);
    open(&dir);
}

#[test]
fn a_directory_that_others_may_search_is_refused_with_the_remedy() {
    let (_parent, dir) = made();
    for mode in [0o755, 0o750, 0o701, 0o720] {
        chmod(&dir, mode);
        let refused = refusal(&dir);
        assert!(refused.to_string().contains(&format!("chmod 0700 {}", dir.display())), "{refused}");
    }
    chmod(&dir, 0o700);
    open(&dir);
}

#[test]
fn what_belongs_to_somebody_else_is_refused_with_the_remedy() {
    let (_parent, dir) = made();
    let us = nix::unistd::geteuid().as_raw();
    // Whoever runs the tests owns the files, so the store is told that it is somebody else.
    let refused = KeyDirectory::open(&dir, us + 1).unwrap_err();
    assert!(
        matches!(refused, StoreError::ForeignOwner { owner, expected, .. } if owner == us && expected == us + 1)
    );
    assert!(refused.to_string().contains(&format!("chown {} {}", us + 1, dir.display())), "{refused}");
    let path = dir.join("rf-wg0.key");
    let refused = file::trust(&path, &fs::metadata(&path).unwrap(), us + 1, file::FILE_MODE).unwrap_err();
    assert!(refused.to_string().contains(&format!("chown {} {}", us + 1, path.display())), "{refused}");
}

#[test]
fn links_and_devices_are_not_followed() {
    let (parent, dir) = made();
    let link = parent.path().join("link");
    symlink(&dir, &link).unwrap();
    assert!(matches!(refusal(&link), StoreError::WrongType { expected: "directory", .. }));
    let plain = parent.path().join("plain");
    fs::write(&plain, "").unwrap();
    let refused = KeyStore::open(&plain, UID).unwrap_err();
    assert!(matches!(refused, StoreError::WrongType { expected: "directory", .. }), "{refused}");

    let path = dir.join("rf-wg0.key");
    fs::rename(&path, dir.join("elsewhere")).unwrap();
    symlink(dir.join("elsewhere"), &path).unwrap();
    assert!(matches!(refusal(&dir), StoreError::WrongType { expected: "regular file", .. }));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(refusal(&dir), StoreError::WrongType { expected: "regular file", .. }));
    fs::remove_dir(&path).unwrap();
    nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
    let refused = KeyStore::open(&dir, UID).unwrap_err();
    assert!(matches!(refused, StoreError::WrongType { expected: "regular file", .. }), "{refused}");
}

#[test]
fn a_key_file_cut_off_anywhere_is_refused() {
    let (_parent, dir) = made();
    let path = dir.join("rf-wg0.key");
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() - 1 {
        fs::write(&path, &whole[..length]).unwrap();
        let found = damage(&dir);
        match length {
            0 => assert_eq!(found, Damage::Empty),
            _ => assert!(matches!(found, Damage::Json { .. }), "{length}: {found}"),
        }
    }
}

#[test]
fn a_key_file_with_any_one_character_changed_is_refused_or_gives_the_same_key() {
    let (_parent, dir) = made();
    let path = dir.join("rf-wg0.key");
    let whole = fs::read(&path).unwrap();
    let original = open(&dir).load().unwrap().zero.unwrap();
    let mut unseen = 0;
    for at in 0..whole.len() - 1 {
        let mut changed = whole.clone();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        fs::write(&path, &changed).unwrap();
        // Bits of the private key that clamping sets anyway are all that may change unseen.
        if let Ok(store) = KeyStore::open(&dir, UID) {
            let read = store.load().unwrap().zero.unwrap();
            assert_eq!(read.private().expose_bytes(), original.private().expose_bytes());
            assert_eq!(read.epoch(), original.epoch());
            unseen += 1;
        }
    }
    assert!(unseen <= 2, "{unseen} changes went unseen");
}

#[test]
fn each_kind_of_damage_is_named_together_with_the_path_and_the_remedy() {
    let public = crate::PrivateKey::generate().unwrap().public().to_base64();
    type Edit<'a> = &'a dyn Fn(&mut Value);
    let cases: [(Edit<'_>, &str); 12] = [
        (&|file| *file = "x".repeat(3000).into(), "longer than 2048 bytes"),
        (&|file| *file = Value::Null, "not the JSON of a key file"),
        (&|file| file["extra"] = 1.into(), "not the JSON of a key file"),
        (&|file| file["epoch"] = "0".into(), "not the JSON of a key file"),
        (&|file| file["version"] = 2.into(), "format is version 2"),
        (&|file| file["epoch"] = u64::MAX.into(), "out of range"),
        (&|file| file["epoch"] = 1.into(), "not a key of the plane"),
        (&|file| file["plane"] = "rf-wg1".into(), "not a key of the plane"),
        (&|file| file["privateKey"] = "AAAA".into(), "its privateKey is damaged: the key is 3 bytes"),
        (&|file| file["publicKey"] = "".into(), "its publicKey is damaged: the key is empty"),
        (&|file| file["publicKey"] = public.as_str().into(), "do not belong together"),
        (&|file| file["epoch"] = 2.into(), "checksum is wrong"),
    ];
    for (change, expected) in cases {
        let (_parent, dir) = made();
        edit(&dir, change);
        let refused = refusal(&dir).to_string();
        assert!(refused.contains(expected), "{refused:?} should say {expected:?}");
        assert!(refused.contains(&format!("rm {}/rf-wg0.key", dir.display())), "{refused}");
    }
}

#[test]
fn a_node_uid_changed_by_hand_does_not_pass_for_another_nodes_key() {
    let (_parent, dir) = made();
    edit(&dir, |file| file["nodeUID"] = OTHER_UID.into());
    assert_eq!(damage(&dir), Damage::Checksum);
}

#[test]
fn one_key_on_both_planes_is_refused() {
    let (_parent, dir) = made();
    let bytes = *open(&dir).load().unwrap().zero.unwrap().private().expose_bytes();
    let twin = PlaneKey::new(epoch(1), crate::PrivateKey::from_bytes(&bytes).unwrap());
    let path = dir.join("rf-wg1.key");
    fs::write(&path, &*record::write(UID, &twin, &path).unwrap()).unwrap();
    assert!(matches!(refusal(&dir), StoreError::Damaged { damage: Damage::SameKey, .. }));
}

#[test]
fn keys_out_of_step_with_the_mesh_are_reported_and_left_alone() {
    let (_parent, dir) = made();
    for mesh in [2, 3, 100] {
        let refused = open(&dir).load_or_create(epoch(mesh)).unwrap_err();
        assert!(matches!(refused, StoreError::OutOfStep { .. }), "{refused}");
        let expected = format!("epochs 0 and 1, which do not fit the mesh's epoch {mesh}");
        assert!(refused.to_string().contains(&expected), "{refused}");
    }
    assert_eq!(names(&dir), both_names());
}

#[test]
fn the_last_epoch_has_no_idle_key_and_is_refused() {
    let (_parent, dir) = place();
    let refused = open(&dir).load_or_create(Epoch::MAX).unwrap_err();
    assert!(matches!(refused, StoreError::LastEpoch { .. }));
    assert!(matches!(open(&dir).remake(Epoch::MAX).unwrap_err(), StoreError::LastEpoch { .. }));
    assert!(names(&dir).is_empty());
}

#[test]
fn a_store_is_open_in_one_place_at_a_time() {
    let (_parent, dir) = made();
    let store = open(&dir);
    assert!(matches!(refusal(&dir), StoreError::Locked { .. }));
    drop(store);
    open(&dir);
}

#[test]
fn a_text_that_cannot_be_a_node_uid_is_refused_before_anything_is_made() {
    let (_parent, dir) = place();
    for uid in ["", "a b", "a\"b", "a\\b", "a\nb", "é", &"x".repeat(129)] {
        assert!(matches!(KeyStore::open(&dir, uid).unwrap_err(), StoreError::InvalidUid { .. }), "{uid:?}");
    }
    assert!(!dir.exists());
    KeyStore::open(&dir, &"x".repeat(128)).unwrap().load_or_create(Epoch::ZERO).unwrap();
}
