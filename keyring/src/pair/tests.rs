use super::{PairKey, Untrue};
use crate::epoch::Epoch;
use crate::key::PrivateKey;
use crate::store::PlaneKey;

fn key(seed: u8, epoch: u64) -> PlaneKey {
    PlaneKey::new(Epoch::new(epoch).unwrap(), PrivateKey::from_bytes(&[seed; 32]).unwrap())
}

fn pair(ours: u8, theirs: u8, epoch: u64) -> PairKey {
    PairKey::new(&key(ours, epoch), key(theirs, epoch).public())
}

#[test]
fn what_one_node_says_the_other_knows_and_nobody_else() {
    let (a, b) = (pair(1, 2, 4), pair(2, 1, 4));
    let tag = a.tag(&[b"moved", b" over"]);
    assert_eq!(b.check(&a.name(), &tag, &[b"moved over"]), Ok(()));
    // Not those that have another key, nor of another epoch; nor is it a's own word if it comes back.
    for other in [pair(3, 1, 4), pair(2, 3, 4), pair(2, 1, 6), pair(1, 2, 4)] {
        assert_eq!(other.check(&a.name(), &tag, &[b"moved over"]), Err(Untrue::OtherKeys));
    }
}

#[test]
fn who_knows_the_public_keys_alone_forges_nothing() {
    let (a, b) = (pair(1, 2, 4), pair(2, 1, 4));
    let tag = a.tag(&[b"moved"]);
    for (what, tag) in [(&b"moves"[..], tag), (b"moved", [0; 32]), (b"", tag)] {
        assert_eq!(b.check(&a.name(), &tag, &[what]), Err(Untrue::Forged));
    }
    for cut in 0..tag.len() {
        assert_eq!(b.check(&a.name(), &tag[..cut], &[b"moved"]), Err(Untrue::Forged));
        let mut changed = tag;
        changed[cut] ^= 1;
        assert_eq!(b.check(&a.name(), &changed, &[b"moved"]), Err(Untrue::Forged));
    }
}

#[test]
fn the_tag_is_what_the_description_says() {
    use hmac::{Hmac, Mac};
    use sha2::Sha256;
    let hmac = |key: &[u8], message: &[u8]| -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(message);
        mac.finalize().into_bytes().into()
    };
    let (ours, theirs) = (key(1, 4), key(2, 4).public());
    let shared = x25519_dalek::x25519(*ours.private().expose_bytes(), *theirs.as_bytes());
    let mut info = b"way".to_vec();
    info.extend([0, 0, 0, 0, 0, 0, 0, 4]);
    info.extend(ours.public().as_bytes());
    info.extend(theirs.as_bytes());
    info.push(1);
    assert_eq!(PairKey::new(&ours, theirs).name(), super::name_of(ours.epoch(), ours.public(), theirs));
    let expected = hmac(&hmac(&hmac(b"ringfence words 2", &shared), &info), b"moved");
    assert_eq!(PairKey::new(&ours, theirs).tag(&[b"moved"]), expected);
}

#[test]
fn it_prints_public_keys_only() {
    let text = format!("{:?}", pair(1, 2, 4));
    assert!(text.contains(&key(1, 4).public().to_base64()) && text.contains("epoch 4"), "{text}");
    assert!(!text.contains("[") && text.len() < 120, "{text}");
}
