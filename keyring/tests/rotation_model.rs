//! The rotation protocol, checked in every interleaving of small worlds; and the checker, checked with mistakes.
#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "a test, and modules that two share"
)]

#[path = "rotation/executor.rs"]
mod executor;
#[path = "rotation/keys.rs"]
mod keys;
#[path = "rotation/model.rs"]
mod model;
#[path = "rotation/moves.rs"]
mod moves;
#[path = "rotation/print.rs"]
mod print;
#[path = "rotation/run.rs"]
mod run;
#[path = "rotation/ways.rs"]
mod ways;
#[path = "rotation/world.rs"]
mod world;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use model::Scenario;
use ringfence_keyring::rotation::Mistake;
use stateright::{Checker, HasDiscoveries, Model};
use ways::leads_on;

/// How many states it saw; panics with the way to one that must not be.
fn check(scenario: &Scenario) -> usize {
    let began = Instant::now();
    let ways = Arc::new(Mutex::new(Vec::new()));
    let scenario = Scenario { ways: Some(ways.clone()), ..scenario.clone() };
    let builder = scenario.clone().checker().threads(2).finish_when(HasDiscoveries::AnyFailures);
    let checker = builder.spawn_bfs().join();
    let (states, moves) = (checker.unique_state_count(), checker.state_count());
    println!("{}: {states} states, {moves} moves, {:.1} s", scenario.what, began.elapsed().as_secs_f64());
    if let Some((property, path)) = checker.discoveries().into_iter().next() {
        let lost = path.last_state().world.lost.clone();
        panic!("{}: not true: {property}. {lost:?} after {:#?}", scenario.what, path.into_actions());
    }
    assert!(leads_on(&mut ways.lock().unwrap()), "{}: it can go round in circles", scenario.what);
    states
}

/// What is found wrong, and after how many moves.
fn find(scenario: &Scenario) -> Option<(String, usize)> {
    let builder = scenario.clone().checker().threads(2).finish_when(HasDiscoveries::AnyFailures);
    let checker = builder.spawn_bfs().join();
    let (property, path) =
        checker.discoveries().into_iter().min_by_key(|(_, path)| path.clone().into_vec().len())?;
    let lost = path.last_state().world.lost.clone();
    Some((lost.unwrap_or_else(|| property.to_owned()), path.into_actions().len()))
}

/// Three nodes unless said otherwise, with what may go wrong on top of every order of every event.
fn short() -> Vec<Scenario> {
    let three = Scenario { nodes: 3, goal: 1, ..Scenario::default() };
    let two = Scenario { goal: 2, ..three.clone() };
    let turn = Scenario { goal: 0, turns: vec![1], ..three.clone() };
    let pair = Scenario { nodes: 2, ..three.clone() };
    let turns = Scenario { turns: vec![0, 1], ..pair.clone() };
    vec![
        Scenario { what: "one rotation, everything read again", rereads: true, ..three.clone() },
        Scenario { what: "two rotations", ..two.clone() },
        Scenario { what: "the mesh's object goes back", restores: 1, ..three.clone() },
        Scenario { what: "one rotation, the first agent killed", kills: 1, ..three.clone() },
        Scenario { what: "two rotations, the first agent killed", kills: 1, ..two.clone() },
        Scenario { what: "two rotations, the last agent killed", killed: 2, kills: 1, ..two.clone() },
        Scenario { what: "one rotation, the first machine lost", losses: 1, ..three },
        Scenario { what: "two rotations, the last machine lost", losses: 1, loser: 2, ..two.clone() },
        Scenario { what: "one node's keys", ..turn.clone() },
        Scenario { what: "one node's keys, its agent killed", killed: 1, kills: 1, ..turn.clone() },
        Scenario { what: "one node's keys, another agent killed", kills: 1, ..turn },
        Scenario { what: "fresh", nodes: 3, fresh: true, ..pair.clone() },
        Scenario { what: "the keys of two", nodes: 3, goal: 0, ..turns.clone() },
        Scenario { what: "two nodes, the second joins", joins: true, ..pair.clone() },
        Scenario {
            what: "two nodes, the second joins, the first killed, two rotations",
            joins: true,
            kills: 1,
            goal: 2,
            ..pair.clone()
        },
        Scenario { what: "two nodes, a disk goes back", old_disks: 1, goal: 2, ..pair.clone() },
        Scenario { what: "two nodes, fresh", fresh: true, goal: 2, ..pair.clone() },
        Scenario { what: "two nodes, fresh, one killed", fresh: true, kills: 1, ..pair.clone() },
        Scenario {
            what: "two nodes, one revoked, the other killed",
            revokes: Some(1),
            kills: 1,
            goal: 0,
            ..pair
        },
        Scenario { what: "two nodes' keys, one killed", kills: 1, goal: 0, ..turns.clone() },
        Scenario { what: "two nodes' keys and a rotation", ..turns },
    ]
}

/// What takes longer than everybody's patience at every change (RINGFENCE_LONG=1).
fn long() -> Vec<Scenario> {
    let three = Scenario { nodes: 3, goal: 1, ..Scenario::default() };
    let two = Scenario { goal: 2, ..three.clone() };
    vec![
        Scenario { what: "one of three nodes' keys and a rotation", turns: vec![1], ..three.clone() },
        Scenario {
            what: "two rotations, the last machine lost and back",
            losses: 1,
            boots: 1,
            loser: 2,
            ..two.clone()
        },
        Scenario { what: "three nodes, a disk goes back", old_disks: 1, ..three.clone() },
        Scenario { what: "three nodes, the last joins", joins: true, ..three },
    ]
}

/// The smallest world in which each mistake does harm.
fn harmed_by(mistake: Mistake) -> Scenario {
    let two = Scenario { nodes: 2, goal: 1, mistake: Some(mistake), ..Scenario::default() };
    match mistake {
        Mistake::NoLinger => Scenario { ticks: true, ..two },
        Mistake::SwitchBeforeProbe | Mistake::OldPublication | Mistake::EpochMeanwhile => {
            Scenario { goal: 2, ..two }
        }
        Mistake::OldWordsCount => Scenario { turns: vec![1], ..two },
        Mistake::StaySilently => Scenario { turns: vec![0, 1], ..two },
        Mistake::ForgetSerials => Scenario { goal: 2, kills: 1, ..two },
        Mistake::ForgetLateJoiner => Scenario { joins: true, ..two },
        Mistake::PersistLast | Mistake::ForgetUnread => Scenario { kills: 1, ..two },
        Mistake::EpochGoesBack => Scenario { restores: 1, ..two },
        Mistake::UseOldDisk => Scenario { old_disks: 1, ..two },
        Mistake::NoTieBreak => Scenario { goal: 0, turns: vec![0, 1], ..two },
        Mistake::LeaveOpposite => Scenario { goal: 0, turns: vec![0, 1], kills: 1, ..two },
        Mistake::ForgetRevocation => Scenario { revokes: Some(1), goal: 0, kills: 1, ..two },
        _ => two,
    }
}

#[test]
fn every_planted_mistake_is_found() {
    let mut missed = Vec::new();
    for mistake in Mistake::ALL {
        match find(&harmed_by(*mistake)) {
            Some((what, moves)) => println!("{mistake:?}: after {moves} moves: {what}"),
            None => missed.push(mistake),
        }
    }
    assert!(Mistake::ALL.len() >= 8);
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// Fewer states than this were seen only if the worlds have shrunk, not the protocol.
const FLOOR: usize = 450_000;

#[test]
fn no_order_of_events_does_harm_and_all_come_to_a_good_end() {
    let is_long = std::env::var_os("RINGFENCE_LONG").is_some();
    let only = std::env::var("RINGFENCE_SCENARIO").unwrap_or_default();
    let scenarios = short().into_iter().chain(if is_long { long() } else { Vec::new() });
    let seen: usize = scenarios.filter(|scenario| scenario.what.contains(&only)).map(|s| check(&s)).sum();
    println!("{seen} states");
    assert!(!only.is_empty() || seen >= FLOOR, "only {seen} states were seen");
}
