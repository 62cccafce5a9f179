//! Nodes that join, leave, go down, come back, and are thrown out.

use std::time::Duration;

use ringfence_keyring::Plane;
use ringfence_keyring::rotation::{Event, SILENCE};

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
        let event = Event::Judged { node: name(node), uid: uid(node, 0), number, revoked };
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
