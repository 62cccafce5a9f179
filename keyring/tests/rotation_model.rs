//! The rotation protocol, checked in every interleaving of small worlds; and the checker, checked with mistakes.
#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "a test, and modules that two share"
)]

#[path = "rotation/keys.rs"]
mod keys;
#[path = "rotation/model.rs"]
mod model;
#[path = "rotation/run.rs"]
mod run;
#[path = "rotation/world.rs"]
mod world;

use std::time::Instant;

use model::Scenario;
use stateright::{Checker, Model};

fn check(scenario: Scenario) -> usize {
    let (what, began) = (scenario.what, Instant::now());
    let limit = std::env::var("LIMIT").ok().and_then(|n| n.parse().ok()).unwrap_or(600);
    let checker =
        scenario.checker().threads(2).timeout(std::time::Duration::from_secs(limit)).spawn_bfs().join();
    let states = checker.unique_state_count();
    println!(
        "{what}: {states} states, {} moves, {:.1} s",
        checker.state_count(),
        began.elapsed().as_secs_f64()
    );
    if let Some((property, path)) = checker.discoveries().into_iter().next() {
        let last = path.last_state();
        println!("{property}: {:?}", last.world.lost);
        let moves = path.into_actions();
        panic!("{what}: {property} after {moves:#?}");
    }
    states
}

fn scenarios() -> Vec<Scenario> {
    let three = Scenario { nodes: 3, goal: 1, ..Scenario::default() };
    vec![
        Scenario { what: "one rotation", ..three.clone() },
        Scenario { what: "two rotations", goal: 2, ..three.clone() },
        Scenario { what: "one rotation, an agent killed", kills: 1, ..three.clone() },
        Scenario { what: "one rotation, a machine lost", losses: 1, ..three.clone() },
        Scenario { what: "one rotation, a machine lost and back", losses: 1, boots: 1, ..three.clone() },
        Scenario { what: "a node joins", joins: true, ..three.clone() },
        Scenario { what: "the mesh's object goes back", restores: 1, ..three.clone() },
        Scenario { what: "one node's keys", goal: 0, turns: vec![1], ..three.clone() },
        Scenario { what: "fresh", fresh: true, ..three.clone() },
        Scenario { what: "a disk goes back", old_disks: 1, ..three.clone() },
        Scenario { what: "two nodes' keys", goal: 0, turns: vec![0, 1], ..three.clone() },
        Scenario { what: "one node's keys and all", turns: vec![1], ..three.clone() },
        Scenario { what: "two rotations, killed", goal: 2, kills: 1, ..three.clone() },
        Scenario {
            what: "two rotations, a machine lost and back",
            goal: 2,
            losses: 1,
            boots: 1,
            ..three.clone()
        },
    ]
}

#[test]
fn all() {
    let only = std::env::var("ONLY").unwrap_or("one node's keys".into());
    for scenario in scenarios() {
        if scenario.what.contains(&only) {
            check(scenario);
        }
    }
}
