//! Disks and objects that are lost or come from a backup, and publications that are not what they should be.

use std::sync::Arc;
use std::time::Duration;

use ringfence_keyring::rotation::{Event, Record, RecordError, STALENESS, VERSION};
use ringfence_keyring::{Epoch, PerPlane, Plane};

use crate::world::{NOW, World};

#[test]
fn a_node_without_its_disk_makes_both_keys_anew() {
    let mut world = World::standing(3);
    let before = world.nodes[2].store;
    world.lose(2);
    let node = world.node(2);
    (node.disk, node.store, node.excused) = (None, PerPlane::default(), true);
    world.boot(2);
    world.start(2, usize::MAX);
    world.settle();
    world.assert_stands(0);
    assert_ne!(world.nodes[2].store.zero, before.zero);
    assert_ne!(world.nodes[2].store.one, before.one);
}

#[test]
fn a_restored_disk_gives_no_old_key_back() {
    let mut world = World::standing(3);
    let old = world.nodes[2].store;
    world.rotate(0);
    world.settle();
    world.restore_disk(2);
    world.start(2, usize::MAX);
    world.settle();
    world.assert_stands(1);
    for plane in Plane::ALL {
        let key = world.nodes[2].store.get(plane).unwrap().public;
        assert!(old.iter().all(|(_, old)| old.unwrap().public != key));
    }
}

#[test]
fn a_restored_object_is_mended_and_believed_by_nobody() {
    let mut world = World::standing(3);
    world.rotate(0);
    world.settle();
    let first = world.nodes[2].written[0].clone();
    for node in 0..2 {
        let before = world.nodes[node].clone();
        world.happen(node, NOW, Event::Read(first.clone()), usize::MAX);
        assert_eq!(world.nodes[node].kernel, before.kernel);
    }
    world.node(2).written.push(first);
    world.settle();
    world.assert_stands(1);
}

#[test]
fn disk_and_object_restored_together_are_told_apart_by_what_peers_have_seen() {
    let mut world = World::standing(3);
    world.rotate(0);
    world.settle();
    world.restore_disk(2);
    let first = world.nodes[2].written[0].clone();
    world.node(2).written.push(first.clone());
    world.start(2, usize::MAX);
    // The node itself has no way to know, and begins with what it has.
    assert!(world.lost.take().is_some_and(|what| what.contains("past its retirement")));
    for _ in 0..3 {
        for node in 0..2 {
            world.happen(node, NOW, Event::Read(first.clone()), usize::MAX);
            world.happen(node, NOW.after(STALENESS), Event::Tick, usize::MAX);
        }
    }
    world.settle();
    world.assert_stands(1);
}

#[test]
fn the_meshs_object_is_raised_again_when_it_goes_back() {
    let mut world = World::standing(3);
    world.rotate(0);
    world.settle();
    world.mesh = Epoch::ZERO;
    world.settle();
    world.assert_stands(1);
}

#[test]
fn a_huge_epoch_another_nodes_key_and_a_stranger_are_refused_and_the_mesh_stays_as_it_is() {
    let mut world = World::standing(3);
    let before = world.clone();
    let honest = world.nodes[2].written[0].clone();
    let foreign = {
        let mut published = (*honest).clone();
        published.serial += 1;
        published.planes.zero.public = world.nodes[1].store.zero.unwrap().public;
        published
    };
    let mut contradicting = (*honest).clone();
    contradicting.planes.zero.leaving = true;
    let mut stranger = (*honest).clone();
    stranger.uid = "somebody-else".into();
    for published in [foreign, contradicting, stranger] {
        world.happen(0, NOW, Event::Read(Arc::new(published)), usize::MAX);
    }
    for epoch in [1 << 21, Epoch::MAX.get()] {
        let event = Event::Mesh { epoch: Epoch::new(epoch).unwrap(), age: Duration::ZERO };
        world.happen(0, NOW, event, usize::MAX);
    }
    assert_eq!(world.nodes[0].kernel, before.nodes[0].kernel);
    assert_eq!(world.nodes[0].agent, before.nodes[0].agent);
}

#[test]
fn a_record_reads_back_and_is_refused_when_damaged_or_of_another_version() {
    let mut world = World::standing(3);
    world.rotate(0);
    world.settle();
    let record = world.nodes[1].disk.clone().unwrap();
    let text = record.to_json().unwrap();
    assert_eq!(Record::from_json(&text).unwrap(), record);
    for end in 0..text.len() - 1 {
        assert!(Record::from_json(&text[..end]).is_err());
    }
    let newer = text.replace(&format!("\"version\":{VERSION}"), "\"version\":2");
    assert!(matches!(Record::from_json(&newer), Err(RecordError::Version { found: 2 })));
    let unknown = text.replacen('{', "{\"secret\":1,", 1);
    assert!(matches!(Record::from_json(&unknown), Err(RecordError::Json(_))));
}
