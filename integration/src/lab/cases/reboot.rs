//! A node that comes back from a reboot.
use crate::lab::{Lab, eventually};
use anyhow::{Context, Result, ensure};
use ringfence::lab::patience;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// How long after the node is ready again traffic may take. Left alone, WireGuard's peers would go on sending with the
/// session that is gone for 15 s (`KEEPALIVE_TIMEOUT` and `REKEY_TIMEOUT`).
const LIMIT: Duration = Duration::from_secs(2);

/// A node of a lab of `pairs.yaml` is rebooted: its pods talk to those of other nodes, and those to them, soon after.
/// Both ends of the alphabet are tried, for of two nodes the one with the smaller name begins.
///
/// # Errors
/// If it takes longer, or nobody had a session before.
pub fn heard_at_once(lab: &Lab) -> Result<()> {
    for (node, rebooted, other) in [("node3", "talk/a3", "talk/a1"), ("node1", "talk/a1", "talk/a3")] {
        let (there, back) = (lab.pod(rebooted)?.1[0].clone(), lab.pod(other)?.1[0].clone());
        let reaches = |from: &str, to: &str| lab.succeeds(from, &format!("ping -n -q -c 1 -W 1 {to}"));
        // The others have a session with it, which is worth nothing afterwards.
        eventually("a session", Duration::from_secs(10), || {
            Ok(reaches(other, &there)? && reaches(rebooted, &back)?)
        })?;
        lab.lab(&["node", "reboot"], &[node])?;
        let ready = Instant::now();
        // One echo request is enough, and none may provoke the handshake from the node itself before.
        let inward = first_answer(lab, other, &there)?;
        let took = waits(inward, ready).with_context(|| format!("{other} to {rebooted}"))?;
        let outward = first_answer(lab, rebooted, &back)?;
        waits(outward, ready).with_context(|| format!("{rebooted} to {other}"))?;
        eprintln!("{node} was heard {} ms after it was ready again", took.as_millis());
        ensure!(took <= patience(LIMIT), "{other} reached {rebooted} only after {took:?}");
    }
    Ok(())
}

/// Asks again and again until there is an answer, for 20 s at most.
fn first_answer(lab: &Lab, from: &str, to: &str) -> Result<Child> {
    let script = format!("for i in $(seq 40); do ping -n -q -c 1 -W 0.5 {to} && exit 0; done; exit 1");
    lab.spawn(from, &["sh", "-c", &script])
}

fn waits(mut child: Child, since: Instant) -> Result<Duration> {
    let status: ExitStatus = child.wait()?;
    ensure!(status.success(), "no answer at all");
    Ok(since.elapsed())
}
