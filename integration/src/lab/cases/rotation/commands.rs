//! What is asked for by hand and by the clock, and what an older agent left.
use super::traffic::{NODES, PODS, Traffic, manifests};
use super::{keys, lab, settled, waits_for};
use crate::lab::{Lab, eventually};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

const THIRD: &str = NODES[2];

fn log(lab: &Lab, node: &str) -> Result<PathBuf> {
    Ok(lab.node_dir(node)?.join("state/audit.jsonl"))
}

/// `--force` waits for nobody: the others end without a node whose agent is dead, which finds back when it is started. An agent
/// that finds keys and no record, as an older one left them, goes on with them. A log that was edited is named.
///
/// # Errors
/// What is not so.
pub fn by_hand() -> Result<()> {
    let lab = lab("by-hand")?;
    let mut traffic = Traffic::begin(&lab, &PODS[..2])?;
    lab.lab(&["agent", "kill"], &[THIRD])?;
    lab.keys(&["rotate"])?;
    eventually("the others wait for it", Duration::from_secs(40), || {
        Ok(waits_for(&lab, NODES[0], THIRD)? && waits_for(&lab, NODES[1], THIRD)?)
    })?;
    lab.keys(&["rotate", "--force"])?;
    eventually("the others have ended", Duration::from_secs(60), || {
        let status = lab.keys_status()?;
        Ok(NODES[..2].iter().all(|node| status["nodes"][node]["state"] == "settled") && status["epoch"] == 1)
    })?;
    traffic.goes_on("without it")?;
    lab.lab(&["agent", "start"], &[THIRD])?;
    settled(&lab, 1, 60)?;
    traffic.goes_on("it is back")?;
    let before = keys(&lab)?;
    without_a_record(&lab)?;
    settled(&lab, 1, 60)?;
    ensure!(keys(&lab)? == before, "other keys than {before:?}: {:?}", keys(&lab)?);
    traffic.goes_on("an agent without a record took its keys over")?;
    traffic.finish()?;
    damaged_log(&lab)
}

/// As an agent that could not rotate left things: keys, no record, and a publication that counts nothing.
fn without_a_record(lab: &Lab) -> Result<()> {
    lab.lab(&["agent", "stop"], &[THIRD])?;
    std::fs::remove_file(lab.node_dir(THIRD)?.join("state/rotation.json"))?;
    let source = lab.state()?.source;
    let path = source.join(format!("ringfencenode.{THIRD}.json"));
    let mut object: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
    let spec = object["spec"].as_object_mut().context("no spec")?;
    spec.retain(|field, _| ["nodeUID", "epoch", "endpoints", "planes"].contains(&field.as_str()));
    std::fs::write(source.join(".new"), object.to_string())?;
    std::fs::rename(source.join(".new"), path)?;
    lab.lab(&["agent", "start"], &[THIRD]).map(drop)
}

fn damaged_log(lab: &Lab) -> Result<()> {
    let (sound, code) = lab.audit()?;
    ensure!(code == Some(0), "{sound}");
    lab.lab(&["agent", "stop"], &[NODES[0]])?;
    let path = log(lab, NODES[0])?;
    let text = std::fs::read_to_string(&path)?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let edited = lines[1].replace(NODES[0], NODES[1]);
    ensure!(edited != lines[1], "nothing to edit in {}", lines[1]);
    lines[1] = edited;
    std::fs::write(&path, lines.join("\n") + "\n")?;
    let (verdicts, code) = lab.audit()?;
    let of = |node: &str| verdicts.as_array().and_then(|all| all.iter().find(|log| log["node"] == node));
    let problems = of(NODES[0]).context("no such log")?["problems"].to_string();
    ensure!(code == Some(3) && problems.contains("line 2 (number 2) was edited"), "{code:?}: {verdicts}");
    ensure!(of(NODES[1]).is_some_and(|log| log["problems"] == json!([])), "{verdicts}");
    // Cut, it is consistent in itself: what the others noted tells.
    let lines: Vec<&str> = text.lines().collect();
    std::fs::write(&path, lines[..lines.len() / 2].join("\n") + "\n")?;
    let (verdicts, code) = lab.audit()?;
    ensure!(code == Some(3) && verdicts.to_string().contains("the log was cut"), "{code:?}: {verdicts}");
    Ok(())
}

/// By the clock, exactly one agent raises the epoch each time.
///
/// # Errors
/// None that does, or more than one.
pub fn by_schedule() -> Result<()> {
    let arguments = ["--nodes", "3", "--agent-argument=--rotate-every=5s"];
    let lab = Lab::up("schedule", &manifests(3), &arguments)?;
    let epoch = || -> Result<u64> { Ok(lab.keys_status()?["epoch"].as_u64().unwrap_or(0)) };
    eventually("the clock has raised the epoch twice", Duration::from_secs(120), || Ok(epoch()? >= 2))?;
    // Nobody but the first by name does: with its agent away the epoch stays.
    lab.lab(&["agent", "kill"], &[NODES[0]])?;
    let stays = epoch()?;
    let raised = |node: &str| -> Result<usize> {
        let root = lab.state()?.source.parent().context("the source is in the lab's directory")?.to_owned();
        let text = std::fs::read_to_string(root.join(format!("logs/{node}.agent.log")))?;
        Ok(text.lines().filter(|line| line.contains("the mesh's epoch is raised")).count())
    };
    ensure!(raised(NODES[0])? as u64 == stays, "{} of {stays}", raised(NODES[0])?);
    std::thread::sleep(Duration::from_secs(12));
    ensure!(epoch()? == stays, "somebody else has raised it to {}", epoch()?);
    ensure!(raised(NODES[1])? + raised(THIRD)? == 0);
    Ok(())
}
