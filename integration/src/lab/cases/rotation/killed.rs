//! An agent is killed at each step of a rotation in turn. The next one takes up where it was.
use super::traffic::{NODES, PODS, Traffic};
use super::{lab, settled};
use crate::lab::{Lab, eventually};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Steps of the agent of the first node, which is the one that raises the epoch; each also as `STEP done`.
const STEPS: [&str; 13] = [
    "raise",
    "raise done",
    "probe",
    "converge",
    "converge done",
    "tell",
    "persist",
    "retire",
    "retire done",
    "make",
    "make done",
    "publish",
    "publish done",
];

/// The program, told by a file at which step to die.
fn mortal(lab: &Lab, order: &Path) -> Result<PathBuf> {
    let directory = order.parent().context("no directory")?;
    let script = directory.join("mortal");
    let program = lab.binary.display();
    fs::write(&script, format!("#!/bin/sh\nRINGFENCE_DIE_AT={} exec {program} \"$@\"\n", order.display()))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(script)
}

/// An agent killed at each step, half of the steps at a time.
///
/// # Errors
/// What was lost; a rotation that does not end.
pub fn at_each_step(part: usize) -> Result<()> {
    let lab = lab(&format!("killed{part}"))?;
    let orders = tempfile::tempdir()?;
    let order = orders.path().join("order");
    let mortal = mortal(&lab, &order)?.to_string_lossy().into_owned();
    let node = NODES[0];
    let mut traffic = Traffic::begin(&lab, &PODS)?;
    lab.lab(&["agent", "restart"], &["--binary", &mortal, node])?;
    for (epoch, step) in (1..).zip(STEPS.iter().skip(part).step_by(2)) {
        fs::write(&order, step)?;
        lab.keys(&["rotate"])?;
        eventually(&format!("the agent dies at {step}"), Duration::from_secs(60), || {
            let nodes = lab.state()?.nodes;
            Ok(nodes.iter().any(|found| found.name == node && found.agent == "stopped"))
        })?;
        ensure!(!order.exists(), "it ended without having been told to");
        traffic.goes_on(&format!("dead at {step}"))?;
        lab.lab(&["agent", "start"], &["--binary", &mortal, node])?;
        settled(&lab, epoch, 90)?;
        traffic.goes_on(&format!("rotated, after it was killed at {step}"))?;
    }
    traffic.finish().map(drop)
}
