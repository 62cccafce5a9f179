//! Rotations of single nodes.

use ringfence_keyring::rotation::Request;

use crate::world::{World, name};

fn turn(world: &mut World, node: usize, from: u64) {
    world.request(&Request::Node { node: name(node), from, force: false });
}

#[test]
fn one_node_renews_both_its_keys_in_three_writes_and_nobody_else_does() {
    let mut world = World::standing(3);
    let before: Vec<_> = world.nodes.iter().map(|node| node.store).collect();
    turn(&mut world, 1, 0);
    world.settle();
    world.assert_stands(0);
    assert_eq!(world.nodes[0].store, before[0]);
    assert_eq!(world.nodes[2].store, before[2]);
    assert_ne!(world.nodes[1].store.zero, before[1].zero);
    assert_ne!(world.nodes[1].store.one, before[1].one);
    assert_eq!(world.nodes[1].written.len(), 1 + 3);
    turn(&mut world, 1, 0);
    world.settle();
    assert_eq!(world.nodes[1].written.len(), 1 + 3);
}

#[test]
fn several_nodes_may_renew_their_keys_at_once_and_while_the_mesh_rotates() {
    let mut world = World::standing(4);
    turn(&mut world, 1, 0);
    turn(&mut world, 2, 0);
    world.round(std::time::Duration::from_secs(10));
    world.rotate(0);
    turn(&mut world, 0, 0);
    world.settle();
    world.assert_stands(1);
    for node in 0..3 {
        assert_eq!(world.nodes[node].written.last().unwrap().turns, 1);
    }
}

#[test]
fn a_turn_survives_a_restart_at_any_moment() {
    for cut in 1..12 {
        for round in 0..12 {
            let mut world = World::standing(3);
            turn(&mut world, 1, 0);
            (0..round).for_each(|_| world.round(std::time::Duration::from_secs(10)));
            world.read_all(1);
            world.pass(1, std::time::Duration::from_secs(10), cut);
            world.kill(1);
            world.start(1, usize::MAX);
            turn(&mut world, 1, 0);
            world.settle();
            world.assert_stands(0);
            assert_eq!(world.nodes[1].written.last().unwrap().turns, 1, "round {round}, after {cut} actions");
        }
    }
}
