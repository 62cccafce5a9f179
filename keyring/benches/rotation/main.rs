//! How a rotation of a big mesh goes, by the real state machine: `cargo xtask bench rotation`.
//!
//! Prints a section of Markdown. Numbers are those of a simulation: time in it is not time that passes.
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

mod delays;
mod happen;
mod mesh;

use ringfence_keyring::Epoch;
use ringfence_keyring::rotation::{Event, Moment, Request};

use mesh::{Counts, Mesh, Presence};

const NODES: usize = 1_000;
/// Milliseconds: everybody has joined by then, and the longest that is watched after.
const STANDING: u64 = 90_000;
const LONGEST: u64 = 900_000;

struct Case {
    what: &'static str,
    absent: usize,
    presence: Presence,
    fresh: bool,
    /// Milliseconds after the request at which those who are absent come back.
    back: Option<u64>,
}

fn main() {
    let small = std::env::args().any(|argument| argument == "--quick");
    let nodes = if small { NODES / 10 } else { NODES };
    let share = nodes / 20;
    let cases = [
        Case { what: "all up", absent: 0, presence: Presence::Up, fresh: false, back: None },
        Case { what: "all up, --fresh", absent: 0, presence: Presence::Up, fresh: true, back: None },
        Case { what: "5 % powered off", absent: share, presence: Presence::Down, fresh: false, back: None },
        Case {
            what: "5 % of the agents dead, back after 5 minutes",
            absent: share,
            presence: Presence::AgentDead,
            fresh: false,
            back: Some(300_000),
        },
    ];
    println!("## Rotation of {nodes} nodes\n");
    println!(
        "The protocol's own state machine, {nodes} times, around a queue of events: `--all`, no traffic. From write to watcher \
         20 to 500 ms, one in a hundred up to 10 s; 1 to 10 ms between nodes, one packet in a hundred lost; keys take 5 to \
         50 ms. Seconds count from the request to a node's old key destroyed and the next published (10 of them are \
         waiting for packets on their way). Messages are probes and words, sent by a node; all but the \
         first two columns are per node, the worst.\n"
    );
    println!("| case | median s | worst s | probes | words | publications read | API writes | waited for |");
    println!("|------|---------:|--------:|-------:|------:|------------------:|-----------:|-----------:|");
    let standing = standing(nodes);
    let mut kept = true;
    for case in cases {
        kept &= run(standing.clone(), &case);
    }
    println!(
        "\nAPI writes per node and rotation: at most 3 wanted, {}.",
        if kept { "kept" } else { "**not kept**" }
    );
    if !kept {
        std::process::exit(1);
    }
}

/// A mesh that has not rotated yet.
fn standing(nodes: usize) -> Mesh {
    let mut mesh = Mesh::of(nodes, 1);
    mesh.run(STANDING, |_| false);
    let settled = mesh.nodes.iter().filter(|node| node.state.is_idle()).count();
    assert_eq!(settled, nodes, "the mesh does not stand before it rotates");
    for node in &mut mesh.nodes {
        node.counts = Counts::default();
    }
    mesh
}

fn run(mut mesh: Mesh, case: &Case) -> bool {
    let nodes = mesh.nodes.len();
    // Those who go are spread, and the one that leads stays.
    let absent: Vec<usize> = (0..case.absent).map(|number| number * 20 + 7).collect();
    for index in &absent {
        mesh.nodes[*index].presence = case.presence;
    }
    let began = mesh.now;
    let request = Request::All { from: Epoch::ZERO, fresh: case.fresh, force: false };
    for index in 0..nodes {
        mesh.event(index, Event::Requested(request.clone()));
    }
    let ended = |mesh: &Mesh| {
        mesh.nodes.iter().all(|node| node.presence != Presence::Up || node.counts.ended.is_some())
    };
    let mut waited = waiting(&mesh);
    if let Some(back) = case.back {
        mesh.run(began + back, |_| false);
        waited = waiting(&mesh);
        for index in &absent {
            mesh.come_back(*index, &request);
        }
    }
    mesh.run(began + LONGEST, |mesh| {
        waited = waited.max(waiting(mesh));
        ended(mesh)
    });
    report(&mesh, case, began, waited)
}

/// The most peers that any node names when nobody moves any more: half a minute or later after the beginning.
fn waiting(mesh: &Mesh) -> usize {
    if mesh.now < STANDING + 60_000 {
        return 0;
    }
    let there = mesh.nodes.iter().filter(|node| node.presence == Presence::Up);
    there.map(|node| node.state.waiting(Moment(mesh.now)).len()).max().unwrap_or(0)
}

fn report(mesh: &Mesh, case: &Case, began: u64, waited: usize) -> bool {
    let there: Vec<&Counts> =
        mesh.nodes.iter().filter(|node| node.presence == Presence::Up).map(|node| &node.counts).collect();
    let mut spans: Vec<u64> =
        there.iter().filter_map(|counts| counts.ended).map(|ended| ended - began).collect();
    spans.sort_unstable();
    let seconds = |span: Option<&u64>| span.map_or(f64::NAN, |span| *span as f64 / 1000.0);
    let most = |of: fn(&Counts) -> u64| there.iter().map(|counts| of(counts)).max().unwrap_or(0);
    let writes = most(|counts| counts.writes);
    println!(
        "| {} | {:.1} | {:.1} | {} | {} | {} | {writes} | {waited} |",
        case.what,
        seconds(spans.get(spans.len() / 2)),
        seconds(spans.last()),
        most(|counts| counts.probes),
        most(|counts| counts.words),
        most(|counts| counts.reads),
    );
    assert_eq!(spans.len(), there.len(), "{}: some never ended", case.what);
    writes <= 3
}
