//! Disks and objects that are lost or come from a backup, and publications that are not what they should be.

use std::sync::Arc;
use std::time::Duration;

use ringfence_keyring::rotation::{Event, Published, Record, RecordError, SILENCE, STALENESS, VERSION};
use ringfence_keyring::{Epoch, PerPlane, Plane};

use crate::world::{NOW, World, name};

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
            world.happen(node, NOW.after(STALENESS), Event::Read(first.clone()), usize::MAX);
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

/// Three nodes, the last of which has just been started on keys that it had.
fn restarted() -> World {
    let mut world = World::standing(3);
    world.kill(2);
    world.start(2, usize::MAX);
    world.settle();
    world.assert_stands(0);
    world
}

/// What `by` says it saw of the last node: publications up to number `seen`.
fn claim(world: &mut World, by: usize, seen: u64) -> Event {
    let said = world.nodes[by].written.last().unwrap();
    let mut said = Published { serial: said.serial + seen, ..(**said).clone() };
    said.outdated.insert(name(2), seen);
    Event::Read(Arc::new(said))
}

#[test]
fn one_node_that_calls_anothers_publication_outdated_again_and_again_cuts_nobody() {
    let mut world = restarted();
    let (keys, written) = (world.nodes[2].store, world.nodes[2].written.len());
    for round in 1..20 {
        let lie = claim(&mut world, 0, 10 * round);
        world.happen(2, NOW, lie, usize::MAX);
        assert_eq!(world.nodes[2].store, keys);
        world.pass(2, SILENCE, usize::MAX);
    }
    assert_eq!((world.nodes[2].store, &world.lost), (keys, &None));
    // It was taken at its word once: another number, and no other key.
    assert_eq!(world.nodes[2].written.len(), written + 1);
    assert_eq!(world.nodes[2].written.last().unwrap().serial, 11);
}

#[test]
fn where_most_say_so_keys_are_made_anew_once_and_then_never_for_that() {
    let mut world = restarted();
    let keys = world.nodes[2].store;
    world.node(2).excused = true;
    for by in 0..2 {
        let said = claim(&mut world, by, 7 + 2 * by as u64);
        world.happen(2, NOW, said, usize::MAX);
    }
    let anew = world.nodes[2].store;
    assert!(keys.zero != anew.zero && keys.one != anew.one);
    // Beyond the greatest that was named.
    assert_eq!(world.nodes[2].written.last().unwrap().serial, 10);
    for (round, by) in [(3, 0), (4, 1), (5, 0), (6, 1)] {
        let lie = claim(&mut world, by, 10 * round);
        world.happen(2, NOW, lie, usize::MAX);
        world.pass(2, SILENCE, usize::MAX);
    }
    assert_eq!(world.nodes[2].store, anew);
    assert_eq!(world.nodes[2].written.last().unwrap().serial, 10);
}

#[test]
fn at_a_start_one_node_that_is_read_first_cuts_nobody_whether_or_not_the_others_can_be_read() {
    let mut world = restarted();
    let keys = world.nodes[2].store;
    // Every start is one more: also one after a step that failed.
    for round in 1..4 {
        world.kill(2);
        world.start(2, usize::MAX);
        let lie = claim(&mut world, 0, 10 * round);
        world.happen(2, NOW, lie, usize::MAX);
        world.happen(2, NOW, Event::Tick, usize::MAX);
        assert_eq!(world.nodes[2].store, keys, "before the other was read");
        world.happen(2, NOW, Event::Listed, usize::MAX);
        assert_eq!(world.nodes[2].store, keys, "the other cannot be read");
    }
    assert_eq!(world.lost, None);
}

#[test]
fn most_who_say_so_at_a_start_are_believed_once_all_is_read() {
    let mut world = World::standing(3);
    let keys = world.nodes[2].store;
    world.kill(2);
    world.start(2, usize::MAX);
    world.node(2).excused = true;
    for by in 0..2 {
        let said = claim(&mut world, by, 7);
        world.happen(2, NOW, said, usize::MAX);
    }
    assert_eq!(world.nodes[2].store, keys);
    world.happen(2, NOW, Event::Listed, usize::MAX);
    let anew = world.nodes[2].store;
    assert!(keys.zero != anew.zero && keys.one != anew.one);
}
