//! Random histories of five nodes: nothing is lost on the way, and all comes to its end.

use std::time::Duration;

use proptest::prelude::*;
use ringfence_keyring::rotation::{Event, Request};

use crate::world::{NOW, World, name};

#[derive(Clone, Debug)]
enum Deed {
    Rotate { fresh: bool },
    Turn(usize),
    ReadMesh(usize),
    Read { node: usize, from: usize, number: usize },
    Answer(usize),
    Hear { node: usize, number: usize },
    Pass { node: usize, seconds: u64, cut: usize },
    Kill(usize),
    Start(usize, usize),
}

const NODES: usize = 5;

fn deed() -> impl Strategy<Value = Deed> {
    let node = 0..NODES;
    prop_oneof![
        1 => any::<bool>().prop_map(|fresh| Deed::Rotate { fresh }),
        1 => node.clone().prop_map(Deed::Turn),
        6 => node.clone().prop_map(Deed::ReadMesh),
        20 => (node.clone(), node.clone(), 0..9usize).prop_map(|(node, from, number)| Deed::Read { node, from, number }),
        8 => node.clone().prop_map(Deed::Answer),
        12 => (node.clone(), 0..99usize).prop_map(|(node, number)| Deed::Hear { node, number }),
        8 => (node.clone(), 1..20u64, prop_oneof![9 => Just(usize::MAX), 1 => 0..6usize])
            .prop_map(|(node, seconds, cut)| Deed::Pass { node, seconds, cut }),
        1 => node.clone().prop_map(Deed::Kill),
        3 => (node, prop_oneof![9 => Just(usize::MAX), 1 => 0..6usize]).prop_map(|(node, cut)| Deed::Start(node, cut)),
    ]
}

/// Requests are objects: they stay, and whoever starts reads them again.
fn request(world: &mut World, turns: &[u64], goals: &[Request]) {
    goals.iter().for_each(|goal| world.request(goal));
    for (node, turns) in turns.iter().enumerate().filter(|(_, turns)| **turns > 0) {
        world.request(&Request::Node { node: name(node), from: turns - 1, force: false });
    }
}

fn run(deeds: &[Deed]) -> World {
    let mut world = World::standing(NODES);
    let (mut goals, mut turns) = (Vec::new(), [0; NODES]);
    for deed in deeds {
        match *deed {
            Deed::Rotate { fresh } => goals.push(Request::All { from: world.mesh, fresh, force: false }),
            Deed::Turn(node) => turns[node] = world.nodes[node].written.last().unwrap().turns + 1,
            Deed::ReadMesh(node) => {
                let event = Event::Mesh { epoch: world.mesh, age: Duration::ZERO };
                world.happen(node, NOW, event, usize::MAX);
            }
            Deed::Read { node, from, number } => {
                let written = &world.nodes[from].written;
                let published = written[written.len().saturating_sub(1 + number % 3)].clone();
                world.happen(node, NOW, Event::Read(published), usize::MAX);
            }
            Deed::Answer(node) => world.answer(node),
            Deed::Hear { node, number } => {
                let heard: Vec<_> = world.words.iter().filter(|(_, to, _)| *to == node).copied().collect();
                if !heard.is_empty() {
                    let (from, _, word) = heard[number % heard.len()];
                    world.happen(node, NOW, Event::Word { from: name(from), word }, usize::MAX);
                }
            }
            Deed::Pass { node, seconds, cut } => {
                let flying = world.flying.clone();
                world.pass(node, Duration::from_secs(seconds), cut);
                if seconds < 10 {
                    world.flying.extend(flying);
                }
            }
            Deed::Kill(node) => world.kill(node),
            Deed::Start(node, cut) if world.nodes[node].agent.is_none() => {
                world.start(node, cut);
            }
            Deed::Start(..) => {}
        }
        request(&mut world, &turns, &goals);
    }
    for node in 0..NODES {
        if world.nodes[node].agent.is_none() {
            world.start(node, usize::MAX);
        }
    }
    request(&mut world, &turns, &goals);
    world.settle();
    for (node, turns) in turns.iter().enumerate() {
        assert!(world.nodes[node].written.last().unwrap().turns >= *turns);
    }
    for goal in goals {
        assert!(matches!(goal, Request::All { from, .. } if world.mesh > from));
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(400), max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_in_whatever_order_loses_nothing_and_ends(deeds in prop::collection::vec(deed(), 0..400)) {
        let world = run(&deeds);
        world.assert_stands(world.mesh.get());
    }
}
