//! `ringfence keys revoke` and `admit`.
use super::UNFINISHED;
use super::arguments::JudgeArguments;
use super::place::Place;
use crate::model::Revocation;
use crate::watch::directory;
use anyhow::Context;
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often agents are asked.
const LOOK: Duration = Duration::from_millis(100);

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    /// The node.
    node: String,
    /// `metadata.uid` of its Node object.
    #[serde(rename = "nodeUID")]
    uid: String,
    /// Revoked, or admitted.
    revoked: bool,
    /// Of each other node's agent that could be asked: whether it does so.
    confirmed: BTreeMap<String, bool>,
}

pub(super) fn run(arguments: &JudgeArguments, revoked: bool) -> anyhow::Result<ExitCode> {
    let place = Place::of(&arguments.place)?;
    let loaded = place.read()?;
    let name = &arguments.node;
    let before = loaded.revocations.get(name).map(|before| &before.value);
    // A stolen node's object may be gone by the time: its name and its keys are what is revoked.
    let uid = loaded.nodes.get(name).map(|node| node.value.uid.clone());
    let uid = uid.or_else(|| Some(loaded.publications.get(name)?.value.uid().to_owned()));
    let uid = uid.or_else(|| Some(before?.node_uid.clone()));
    let uid = uid.with_context(|| format!("there is no Node {name}, nor anything that one published"))?;
    // Also beyond those of an object that somebody has deleted since.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let number = now.max(before.map_or(0, |before| before.number) + 1);
    let revocation = Revocation { node_uid: uid.clone(), number, revoked };
    directory::judge(&place.source, name, &revocation)?;
    let until = Instant::now() + Duration::from_secs(arguments.timeout);
    let confirmed = loop {
        let reports = place.reports()?;
        let others = reports.iter().filter(|(node, _)| *node != name);
        let confirmed: BTreeMap<String, bool> = others
            .map(|(node, report)| {
                let there = report.mesh.rotation.revoked.values().any(|of| of == name);
                (node.clone(), there == revoked)
            })
            .collect();
        if confirmed.values().all(|confirmed| *confirmed) || Instant::now() >= until {
            break confirmed;
        }
        std::thread::sleep(LOOK);
    };
    let all = confirmed.values().all(|confirmed| *confirmed);
    let outcome = Outcome { node: name.clone(), uid, revoked, confirmed };
    arguments.output.print(&outcome, table)?;
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(UNFINISHED) })
}

fn table(outcome: &Outcome) -> String {
    let done = if outcome.revoked { "revoked" } else { "admitted" };
    let mut text = format!("{} (UID {}): {done}\n", outcome.node, outcome.uid);
    if outcome.confirmed.is_empty() {
        text.push_str("no agent could be asked whether it has heard of it\n");
    }
    for (node, confirmed) in &outcome.confirmed {
        let word = if *confirmed { "confirms" } else { "HAS NOT CONFIRMED YET" };
        text.push_str(&format!("{node}: {word}\n"));
    }
    text
}
