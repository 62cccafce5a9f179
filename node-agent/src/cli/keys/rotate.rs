//! `ringfence keys rotate`.
use super::UNFINISHED;
use super::arguments::RotateArguments;
use super::place::Place;
use super::show::{self, KeysStatus};
use crate::model::RotationRequest;
use crate::watch::directory::{self, Loaded};
use anyhow::{Context, ensure};
use ringfence_keyring::Epoch;
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How often it is looked how far things are.
const LOOK: Duration = Duration::from_millis(200);

/// What was asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    /// The epoch that the mesh is to reach; absent where single nodes' keys are replaced.
    epoch: Option<u64>,
    /// The nodes whose keys are replaced.
    nodes: Vec<String>,
    /// Whether it has ended; absent if that was not waited for.
    ended: Option<bool>,
    /// How everything was at the end.
    status: KeysStatus,
}

/// When what was asked for has ended.
enum Goal {
    /// The mesh is there, and every node has finished.
    Epoch(Epoch),
    /// Each of these has begun so many rotations of its own, and finished.
    Turns(BTreeMap<String, u64>),
}

pub(super) fn run(arguments: &RotateArguments) -> anyhow::Result<ExitCode> {
    let place = Place::of(&arguments.place)?;
    let goal = ask(arguments, &place)?;
    let ended = if arguments.wait { Some(wait(&place, &goal, arguments.timeout)?) } else { None };
    let status = show::gather(&place.read()?, &place.reports()?);
    let (epoch, nodes) = match &goal {
        Goal::Epoch(epoch) => (Some(epoch.get()), status.nodes.keys().cloned().collect()),
        Goal::Turns(turns) => (None, turns.keys().cloned().collect()),
    };
    arguments.output.print(&Outcome { epoch, nodes, ended, status }, |outcome| match outcome.ended {
        Some(true) => format!("rotated: {}\n", outcome.nodes.join(", ")),
        Some(false) => {
            format!("not ended within {} s; it goes on: `ringfence keys status`\n", arguments.timeout)
        }
        None => format!("asked for: {}; `ringfence keys status` shows it\n", outcome.nodes.join(", ")),
    })?;
    Ok(if ended == Some(false) { ExitCode::from(UNFINISHED) } else { ExitCode::SUCCESS })
}

/// Writes the requests.
fn ask(arguments: &RotateArguments, place: &Place) -> anyhow::Result<Goal> {
    let (loaded, force) = (place.read()?, arguments.force);
    if arguments.node.is_empty() {
        let mesh = show::mesh(&loaded).epoch;
        let under_way = !all_settled(&loaded, mesh);
        // What is under way is hastened, not followed by another.
        let from = mesh.previous().filter(|_| force && under_way).unwrap_or(mesh);
        let goal = from.next().context("the mesh is at its last epoch")?;
        let request = RotationRequest { node: None, from: from.get(), fresh: arguments.fresh, force };
        directory::request(&place.source, "all", &request)?;
        return Ok(Goal::Epoch(goal));
    }
    let mut turns = BTreeMap::new();
    for node in &arguments.node {
        ensure!(loaded.nodes.contains_key(node), "there is no Node {node}");
        let published = loaded.publications.get(node);
        let published = published.with_context(|| format!("Node {node} has published no keys yet"))?;
        let mesh = show::mesh(&loaded).epoch;
        let begun = published.value.progress().turns;
        let under_way = begun > 0 && !published.value.published().is_settled(mesh);
        let from = if force && under_way { begun - 1 } else { begun };
        let request = RotationRequest { node: Some(node.clone()), from, fresh: false, force };
        directory::request(&place.source, &format!("node.{node}"), &request)?;
        turns.insert(node.clone(), from + 1);
    }
    Ok(Goal::Turns(turns))
}

fn all_settled(loaded: &Loaded, mesh: Epoch) -> bool {
    let of_nodes = loaded.publications.iter().filter(|(name, _)| loaded.nodes.contains_key(*name));
    of_nodes.into_iter().all(|(_, published)| published.value.published().is_settled(mesh))
}

/// Waits until the goal is reached, and says how far each node is. False: not in time.
fn wait(place: &Place, goal: &Goal, seconds: u64) -> anyhow::Result<bool> {
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut told = BTreeMap::new();
    loop {
        // Half a directory (somebody writes it by hand) is looked at again.
        if let Ok(loaded) = place.read() {
            let reports = place.reports()?;
            let status = show::gather(&loaded, &reports);
            for (name, keys) in &status.nodes {
                let waits = keys.waiting.iter().flatten();
                let mut waits: Vec<String> = waits.map(|w| format!("{} ({})", w.node, w.reason)).collect();
                waits.dedup();
                let waits = if waits.is_empty() {
                    String::new()
                } else {
                    format!(", waits for {}", waits.join(", "))
                };
                let now = format!("{}, mesh at epoch {}{waits}", keys.state, status.epoch);
                if told.get(name) != Some(&now) {
                    eprintln!("keys: {name}: {now}");
                    told.insert(name.clone(), now);
                }
            }
            if is_reached(&loaded, goal) {
                return Ok(true);
            }
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        std::thread::sleep(LOOK);
    }
}

fn is_reached(loaded: &Loaded, goal: &Goal) -> bool {
    let mesh = show::mesh(loaded).epoch;
    match goal {
        Goal::Epoch(epoch) => {
            mesh >= *epoch
                && loaded
                    .nodes
                    .keys()
                    .filter(|name| !show::is_revoked(loaded, name))
                    .filter_map(|name| loaded.publications.get(name))
                    .all(|published| published.value.published().is_settled(mesh))
        }
        Goal::Turns(turns) => turns.iter().all(|(node, turns)| {
            loaded.publications.get(node).is_some_and(|published| {
                published.value.progress().turns >= *turns && published.value.published().is_settled(mesh)
            })
        }),
    }
}
