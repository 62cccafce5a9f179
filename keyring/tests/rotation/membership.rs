//! Nodes that join, leave, go down, come back, and are thrown out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ringfence_keyring::Plane;
use ringfence_keyring::rotation::{Action, Event, Found, Published, Refusal, Report, SILENCE, State};

use crate::world::{NOW, World, name, uid};

fn join(world: &mut World, node: usize) {
    world.node(node).member = true;
    for other in (0..world.nodes.len()).filter(|other| *other != node) {
        let life = world.nodes[node].life;
        world.happen(other, NOW, Event::Joined { node: name(node), uid: uid(node, life) }, usize::MAX);
    }
    world.start(node, usize::MAX);
}

fn judge(world: &mut World, node: usize, number: u64, revoked: bool) {
    for other in (0..world.nodes.len()).filter(|other| *other != node) {
        let event =
            Event::Judged { node: name(node), uid: uid(node, 0), number, revoked, keys: BTreeSet::new() };
        world.happen(other, NOW, event, usize::MAX);
    }
}

#[test]
fn a_node_that_joins_in_the_middle_is_waited_for_and_ends_at_the_new_epoch() {
    let mut world = World::of(4, None);
    world.node(3).member = false;
    for node in 0..3 {
        world.start(node, usize::MAX);
    }
    world.settle();
    world.kill(2);
    world.rotate(0);
    world.settle();
    join(&mut world, 3);
    world.settle();
    world.start(2, usize::MAX);
    world.settle();
    world.assert_stands(1);
}

#[test]
fn a_node_that_leaves_is_not_waited_for() {
    let mut world = World::standing(3);
    world.kill(2);
    world.rotate(0);
    world.settle();
    world.node(2).excused = true;
    for node in 0..2 {
        world.happen(node, NOW, Event::Left { node: name(2), uid: uid(2, 0) }, usize::MAX);
    }
    world.settle();
    assert_eq!(world.lost, None);
    for node in 0..2 {
        assert!(world.nodes[node].written.last().unwrap().is_settled(world.mesh));
        assert!(!world.nodes[node].kernel.routes.contains_key(&name(2)));
    }
}

#[test]
fn a_node_that_is_down_is_given_up_after_three_minutes_and_meets_the_mesh_where_it_is() {
    let mut world = World::standing(3);
    world.lose(2);
    world.rotate(0);
    world.settle();
    assert_eq!(world.nodes[0].agent.as_ref().unwrap().waiting(NOW).len(), 1);
    for _ in 0..3 {
        for node in 0..2 {
            world.pass(node, SILENCE, usize::MAX);
        }
        world.settle();
    }
    for node in 0..2 {
        assert!(world.nodes[node].written.last().unwrap().is_settled(world.mesh));
    }
    world.rotate(1);
    for _ in 0..4 {
        for node in 0..2 {
            world.pass(node, SILENCE, usize::MAX);
        }
        world.round(Duration::from_secs(10));
    }
    world.node(2).excused = true;
    world.boot(2);
    world.start(2, usize::MAX);
    world.settle();
    assert!(world.mesh.get() >= 1);
    world.assert_stands(world.mesh.get());
}

#[test]
fn two_nodes_cut_off_together_keep_reaching_each_other_while_they_catch_up() {
    let mut world = World::standing(4);
    let cut: Vec<_> = [(0, 2), (0, 3), (1, 2), (1, 3)].to_vec();
    for (from, to) in &cut {
        world.blocked.extend(Plane::ALL.map(|plane| (*from, *to, plane)));
    }
    world.rotate(0);
    world.rotate(1);
    world.rotate(2);
    // Those that are cut off cannot read the API either.
    for _ in 0..40 {
        for node in 0..2 {
            world.read_all(node);
            world.answer(node);
        }
        for node in 0..2 {
            world.pass(node, SILENCE, usize::MAX);
        }
    }
    assert_eq!(world.mesh.get(), 3);
    assert!(world.arrives(2, 3) && world.arrives(3, 2));
    world.blocked.clear();
    world.settle();
    world.assert_stands(3);
}

#[test]
fn a_revoked_node_is_dropped_at_once_also_after_a_restart_and_with_new_keys_until_it_is_admitted() {
    let mut world = World::standing(3);
    world.node(2).excused = true;
    judge(&mut world, 2, 1, true);
    let reaches = |world: &World| (0..2).any(|node| world.arrives(node, 2) || world.arrives(2, node));
    let known = |world: &World| {
        (0..2).any(|node| {
            Plane::ALL
                .into_iter()
                .any(|plane| world.nodes[node].kernel.peers.get(plane).contains_key(&name(2)))
        })
    };
    assert!(!reaches(&world) && !known(&world));
    (0..2).for_each(|node| world.kill(node));
    for node in 0..2 {
        world.start(node, usize::MAX);
    }
    world.settle();
    assert!(!reaches(&world) && !known(&world));
    let before = world.nodes[2].store.zero.unwrap().public;
    world.lose(2);
    world.node(2).disk = None;
    world.boot(2);
    world.start(2, usize::MAX);
    world.settle();
    assert_ne!(world.nodes[2].store.zero.unwrap().public, before);
    assert!(!reaches(&world) && !known(&world));
    judge(&mut world, 2, 2, false);
    // Read once more, late.
    judge(&mut world, 2, 1, true);
    world.settle();
    world.assert_stands(0);
}

#[test]
fn a_rotation_does_not_wait_for_a_revoked_node() {
    let mut world = World::standing(3);
    world.kill(2);
    world.rotate(0);
    world.settle();
    world.node(2).excused = true;
    judge(&mut world, 2, 1, true);
    world.settle();
    assert!((0..2).all(|node| world.nodes[node].written.last().unwrap().is_settled(world.mesh)));
}

#[test]
fn a_node_object_made_anew_brings_no_revoked_node_back_nor_does_its_admission_bring_its_old_keys() {
    let mut world = World::standing(3);
    let old = world.nodes[2].written.last().unwrap().clone();
    world.node(2).excused = true;
    judge(&mut world, 2, 7, true);
    // Its Node object is deleted and made anew, with another UID.
    world.lose(2);
    for other in 0..2 {
        world.happen(other, NOW, Event::Left { node: name(2), uid: uid(2, 0) }, usize::MAX);
    }
    world.node(2).life = 1;
    world.boot(2);
    join(&mut world, 2);
    world.settle();
    let reaches = |world: &World| (0..2).any(|node| world.arrives(node, 2) || world.arrives(2, node));
    assert!(!reaches(&world));
    let says = |world: &World, published: &Published| {
        let mut agent = world.nodes[0].agent.clone().unwrap();
        agent.step(NOW, Event::Read(Arc::new(published.clone())))
    };
    let refused = |actions: &[Action]| {
        actions.iter().find_map(|action| match action {
            Action::Report(Report::Refused { why, .. }) => Some(why.clone()),
            _ => None,
        })
    };
    let new = world.nodes[2].written.last().unwrap().clone();
    assert!(matches!(refused(&says(&world, &new)), Some(Refusal::Revoked { .. })));
    (0..2).for_each(|node| world.kill(node));
    (0..2).for_each(|node| drop(world.start(node, usize::MAX)));
    world.settle();
    assert!(!reaches(&world), "a restart of the others");
    // Somebody has removed what was said of it, and its keys are another node's now.
    let thief = Published { node: name(1), uid: uid(1, 0), serial: 99, ..(*old).clone() };
    assert!(matches!(refused(&says(&world, &thief)), Some(Refusal::RevokedKey { .. })));
    for other in 0..2 {
        let event =
            Event::Judged { node: name(2), uid: uid(2, 1), number: 8, revoked: false, keys: BTreeSet::new() };
        world.happen(other, NOW, event, usize::MAX);
    }
    let stolen = Published { uid: uid(2, 1), serial: 99, ..(*old).clone() };
    assert!(matches!(refused(&says(&world, &stolen)), Some(Refusal::RevokedKey { .. })));
    world.settle();
    assert!((0..2).all(|node| world.arrives(node, 2) && world.arrives(2, node)));
}

#[test]
fn who_had_a_key_first_is_remembered_over_a_restart_whoever_is_read_first_then() {
    let mut world = World::standing(3);
    let theirs = world.nodes[1].written.last().unwrap().clone();
    let honest = world.nodes[0].written.last().unwrap().clone();
    world.kill(2);
    let lie = Published { serial: honest.serial + 1, planes: theirs.planes, ..(*honest).clone() };
    let found = Found {
        record: world.nodes[2].disk.clone(),
        keys: world.nodes[2].store,
        published: world.nodes[2].written.last().cloned(),
        mesh: world.mesh,
        ..Found::default()
    };
    let (mut agent, _) = State::start(NOW, name(2), uid(2, 0), found);
    let actions = agent.step(NOW, Event::Read(Arc::new(lie.clone())));
    let owner = name(1).to_string();
    let refused = actions.iter().any(|action| match action {
        Action::Report(Report::Refused { node, why: Refusal::ForeignKey { owner: of, .. } }) => {
            (node, of) == (&name(0), &owner)
        }
        _ => false,
    });
    assert!(refused, "{actions:?}");
    agent.step(NOW, Event::Read(theirs.clone()));
    assert_eq!(agent.believed(&name(1)), Some(&theirs));
    assert_eq!(agent.believed(&name(0)), None);
}
