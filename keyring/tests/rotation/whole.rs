//! Rotations of the mesh.

use ringfence_keyring::rotation::{Reason, Request, SILENCE};
use ringfence_keyring::{Epoch, Plane};

use crate::world::{NOW, World, name};

#[test]
fn nodes_that_start_reach_each_other() {
    World::standing(3).assert_stands(0);
}

#[test]
fn a_rotation_moves_everybody_to_new_keys_and_loses_nothing() {
    let mut world = World::standing(3);
    let old: Vec<_> = world.nodes.iter().map(|node| node.store.zero.unwrap().public).collect();
    world.rotate(0);
    world.settle();
    world.assert_stands(1);
    for (node, old) in world.nodes.iter().zip(old) {
        assert_ne!(node.store.zero.unwrap().public, old);
        // One write for the rotation, beside the one at the start.
        assert_eq!(node.written.len(), 2);
    }
}

#[test]
fn two_requests_at_once_are_one_rotation_and_one_made_meanwhile_is_another() {
    let mut world = World::standing(3);
    world.rotate(0);
    world.rotate(0);
    world.settle();
    world.assert_stands(1);
    world.rotate(0);
    world.settle();
    world.assert_stands(1);
    world.rotate(2);
    world.rotate(1);
    world.settle();
    world.assert_stands(3);
}

#[test]
fn fresh_idle_keys_come_first_and_it_takes_three_writes() {
    let mut world = World::standing(3);
    let idle: Vec<_> = world.nodes.iter().map(|node| node.store.one.unwrap().public).collect();
    world.request(&Request::All { from: Epoch::ZERO, fresh: true, force: false });
    world.settle();
    world.assert_stands(1);
    for (node, idle) in world.nodes.iter().zip(idle) {
        assert_ne!(node.store.one.unwrap().public, idle);
        assert_eq!(node.written.len(), 1 + 3);
    }
}

#[test]
fn a_schedule_rotates_once_each_time_the_span_is_over() {
    let mut world = World::standing(3);
    for node in 0..3 {
        world.node(node).agent.as_mut().unwrap().rotate_every(Some(SILENCE));
    }
    world.settle();
    world.assert_stands(0);
    world.round(SILENCE);
    world.settle();
    world.assert_stands(1);
}

#[test]
fn a_node_whose_agent_is_dead_holds_the_plane_and_is_named_however_long_it_takes() {
    let mut world = World::standing(3);
    world.kill(2);
    world.rotate(0);
    world.settle();
    world.round(SILENCE);
    world.settle();
    assert_eq!(world.lost, None);
    assert!(world.pairs().all(|(from, to)| world.arrives(from, to)));
    for node in 0..2 {
        let waiting = world.nodes[node].agent.as_ref().unwrap().waiting(NOW);
        assert_eq!(waiting.len(), 1);
        assert_eq!((&waiting[0].peer, waiting[0].plane), (&name(2), Plane::Zero));
        assert_eq!(waiting[0].reason, Reason::NoProbe);
        assert_eq!(world.nodes[node].kernel.routes[&name(1 - node)], Plane::One);
    }
    world.start(2, usize::MAX);
    world.settle();
    world.assert_stands(1);
}

#[test]
fn no_epoch_starts_while_somebody_has_not_finished_the_last() {
    let mut world = World::standing(3);
    world.kill(2);
    world.rotate(0);
    world.settle();
    world.rotate(1);
    world.settle();
    assert_eq!(world.mesh.get(), 1);
    world.start(2, usize::MAX);
    world.settle();
    world.assert_stands(2);
}

#[test]
fn a_blocked_second_port_leaves_traffic_where_it_is() {
    let mut world = World::standing(3);
    world.blocked.insert((0, 1, Plane::One));
    world.rotate(0);
    world.settle();
    world.round(SILENCE);
    world.settle();
    assert_eq!(world.lost, None);
    assert!(world.pairs().all(|(from, to)| world.arrives(from, to)));
    assert_eq!(world.nodes[0].kernel.routes[&name(1)], Plane::Zero);
    assert_eq!(world.nodes[0].kernel.routes[&name(2)], Plane::One);
    let waiting = world.nodes[0].agent.as_ref().unwrap().waiting(NOW);
    assert_eq!((waiting.len(), waiting[0].reason), (1, Reason::NoProbe));
    world.blocked.clear();
    world.settle();
    world.assert_stands(1);
}

#[test]
fn force_cuts_whoever_has_not_moved_and_they_find_back() {
    let mut world = World::standing(3);
    world.kill(2);
    world.rotate(0);
    world.settle();
    world.nodes.iter_mut().for_each(|node| std::sync::Arc::make_mut(node).excused = true);
    world.request(&Request::All { from: Epoch::ZERO, fresh: false, force: true });
    world.settle();
    assert!(world.nodes[0].written.last().unwrap().is_settled(world.mesh));
    assert!(world.nodes[1].written.last().unwrap().is_settled(world.mesh));
    assert!(world.arrives(0, 1) && !world.arrives(2, 0));
    world.start(2, usize::MAX);
    world.settle();
    world.assert_stands(1);
}
