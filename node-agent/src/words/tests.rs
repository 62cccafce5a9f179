//! What is said and to whom.
use super::book::{Addressees, Due, Party, Probes};
use super::message::{Message, read, write};
use ringfence_keyring::rotation::{NodeName, Word};
use ringfence_keyring::{Epoch, Plane, PrivateKey, PublicKey};
use std::time::Duration;
use tokio::time::Instant;

fn key(seed: u8) -> PublicKey {
    PrivateKey::from_bytes(&[seed; 32]).unwrap().public()
}

#[test]
fn a_message_comes_back_as_it_was_whatever_its_size() {
    let word = Word { on: Plane::One, epoch: Epoch::new(5).unwrap(), mesh: Epoch::new(5).unwrap(), seen: 7 };
    for message in [
        Message::Probe { number: u64::MAX },
        Message::Answer { number: 0 },
        Message::Word { word: Some(word), heard: None },
        Message::Word { word: None, heard: Some(word) },
    ] {
        assert_eq!(read(&write(message, 0)), Some(message));
        let whole = write(message, 1392);
        assert_eq!((whole.len(), read(&whole)), (1392, Some(message)));
    }
}

#[test]
fn what_is_cut_changed_or_of_another_version_is_nothing() {
    let whole = write(Message::Probe { number: 7 }, 100);
    let line = whole.iter().position(|byte| *byte == b'\n').unwrap();
    for cut in 0..=line {
        assert_eq!(read(&whole[..cut]), None);
    }
    let mut changed = whole.clone();
    changed[99] = 1;
    assert_eq!(read(&changed), None);
    assert_eq!(read(b"{\"version\":2,\"message\":{\"probe\":{\"number\":7}}}\n"), None);
    assert_eq!(read(b"{\"version\":1,\"message\":{\"probe\":{\"number\":7,\"more\":1}}}\n"), None);
}

#[test]
fn a_node_is_known_by_its_own_addresses_and_talked_to_in_a_family_that_both_have() {
    let party =
        |addresses: &[&str]| Party { addresses: addresses.iter().map(|a| a.parse().unwrap()).collect() };
    let mut book = Addressees { from: vec!["192.0.2.1".parse().unwrap()], ..Addressees::default() };
    book.nodes.insert("b".into(), party(&["2001:db8::2", "192.0.2.2"]));
    book.nodes.insert("c".into(), party(&["2001:db8::3"]));
    assert_eq!(book.address("b"), Some("192.0.2.2".parse().unwrap()));
    assert_eq!(book.address("c"), None);
    assert_eq!(book.node("2001:db8::3".parse().unwrap()).map(|name| &**name), Some("c"));
    assert_eq!(book.node("10.244.2.5".parse().unwrap()), None);
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
