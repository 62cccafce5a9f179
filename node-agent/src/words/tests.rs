//! What is said and to whom.
use super::book::{Addressees, Due, Party, Probes};
use super::message::{Message, Unread, read, write};
use super::{Refused, RefusedOf};
use ringfence_keyring::pair::Untrue;
use ringfence_keyring::rotation::{NodeName, Word};
use ringfence_keyring::store::PlaneKeys;
use ringfence_keyring::{Epoch, KeyStore, PairKey, Plane, PrivateKey, PublicKey};
use std::time::Duration;
use tokio::time::Instant;

fn key(seed: u8) -> PublicKey {
    PrivateKey::from_bytes(&[seed; 32]).unwrap().public()
}

/// What two nodes have of each other on a plane.
fn pair() -> (PairKey, PairKey) {
    let keys = |uid: &str| {
        let parent = tempfile::tempdir().unwrap();
        KeyStore::open(&parent.path().join("keys"), uid).unwrap().load_or_create(Epoch::ZERO).unwrap()
    };
    let (a, b) = (keys("a"), keys("b"));
    let of = |ours: &PlaneKeys, theirs: &PlaneKeys| {
        PairKey::new(ours.get(Plane::One), theirs.get(Plane::One).public())
    };
    (of(&a, &b), of(&b, &a))
}

fn word(epoch: u64) -> Message {
    let epoch = Epoch::new(epoch).unwrap();
    Message::Word { word: Some(Word { on: Plane::One, epoch, mesh: epoch, seen: 7 }), heard: None }
}

#[test]
fn a_message_comes_back_as_it_was_whatever_its_size() {
    let (ours, theirs) = pair();
    let Message::Word { word: heard, .. } = word(5) else { panic!() };
    for message in [
        Message::Probe { number: u64::MAX },
        Message::Answer { number: 0 },
        word(5),
        Message::Word { word: None, heard },
    ] {
        assert_eq!(read(&write(message, 0, &ours), &theirs), Ok(message));
        let whole = write(message, 1392, &ours);
        assert_eq!((whole.len(), read(&whole, &theirs)), (1392, Ok(message)));
    }
}

#[test]
fn what_is_cut_changed_or_of_another_version_is_nothing() {
    let (ours, theirs) = pair();
    let whole = write(Message::Probe { number: 7 }, 200, &ours);
    for cut in 0..whole.len() {
        assert!(read(&whole[..cut], &theirs).is_err(), "{cut}");
        let mut changed = whole.clone();
        changed[cut] ^= 0x20;
        assert!(read(&changed, &theirs).is_err(), "{cut}");
    }
    let unproven = b"{\"version\":1,\"message\":{\"probe\":{\"number\":7}}}\n";
    assert_eq!(read(unproven, &theirs), Err(Unread::Form));
}

#[test]
fn a_word_without_the_nodes_key_is_forged_and_one_of_other_keys_is_called_so() {
    let ((ours, theirs), (other, _)) = (pair(), pair());
    let mut forged = write(word(5), 0, &ours);
    let at = forged.len() - 3;
    forged[at] ^= 1;
    assert_eq!(read(&forged, &theirs), Err(Unread::Untrue(Untrue::Forged)));
    assert_eq!(read(&write(word(5), 0, &other), &theirs), Err(Unread::Untrue(Untrue::OtherKeys)));
    // Nor does its own word come back to a node as the other's.
    assert_eq!(read(&write(word(5), 0, &ours), &ours), Err(Unread::Untrue(Untrue::OtherKeys)));
}

#[test]
fn what_is_not_believed_is_counted_by_the_node_it_seems_to_come_from() {
    let mut refused = Refused::default();
    for why in [Unread::Untrue(Untrue::Forged), Unread::Untrue(Untrue::Forged), Unread::Form] {
        refused.count(&"b".into(), Plane::Zero, why);
    }
    refused.count(&"c".into(), Plane::Zero, Unread::Untrue(Untrue::OtherKeys));
    assert_eq!(refused.nodes["b"], RefusedOf { forged: 2, other_keys: 0, formless: 1 });
    assert_eq!(refused.nodes["c"], RefusedOf { forged: 0, other_keys: 1, formless: 0 });
}

#[test]
fn a_node_is_talked_to_in_a_family_that_both_have() {
    let party = |addresses: &[&str]| Party {
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        ..Party::default()
    };
    let mut book = Addressees { from: vec!["192.0.2.1".parse().unwrap()], ..Addressees::default() };
    book.nodes.insert("b".into(), party(&["2001:db8::2", "192.0.2.2"]));
    book.nodes.insert("c".into(), party(&["2001:db8::3"]));
    assert_eq!(book.address("b"), Some("192.0.2.2".parse().unwrap()));
    assert_eq!(book.address("c"), None);
}

#[test]
fn a_probe_is_repeated_until_it_is_answered_by_its_number_or_given_up() {
    let (node, plane): (NodeName, _) = ("b".into(), Plane::One);
    let (mut probes, begin) = (Probes::default(), Instant::now());
    probes.begin((node.clone(), plane), (key(1), key(2)), 7, begin);
    let send = [Due::Send { node: node.clone(), plane, number: 7 }];
    assert_eq!(probes.due(begin), send);
    assert_eq!(probes.due(begin), []);
    let later = begin + Duration::from_millis(400);
    assert_eq!(probes.due(later), send);
    assert!(probes.answered(&node, plane, 8).is_none());
    assert!(probes.answered(&node, Plane::Zero, 7).is_none());
    assert_eq!(probes.answered(&node, plane, 7).unwrap().theirs, key(2));
    assert!(probes.answered(&node, plane, 7).is_none());
    probes.begin((node.clone(), plane), (key(1), key(2)), 9, later);
    assert_eq!(probes.due(later + Duration::from_secs(3)), [Due::GiveUp { node, plane }]);
    assert_eq!(probes.next(), None);
}
