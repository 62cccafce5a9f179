//! A node that is not trusted any more is cut off within a second, and stays so whatever it shows.
use super::traffic::{NODES, PODS, PORT, Traffic};
use super::{lab, settled};
use crate::lab::{Lab, eventually, finish, unix_ms};
use anyhow::{Context, Result, ensure};
use ringfence::lab::patience_factor;
use std::time::Duration;

const STOLEN: &str = NODES[2];

fn is_cut(lab: &Lab) -> Result<bool> {
    let address = lab.pod(PODS[2])?.1.remove(0);
    Ok(!lab.succeeds(PODS[0], &format!("ping -n -q -c 1 -W 1 {address}"))?)
}

/// Its packets stop within a second; a restart of everybody and new keys of its own do not bring it back; `admit` does.
///
/// # Errors
/// What went wrong.
pub fn cut_at_once() -> Result<()> {
    let lab = lab("revoked")?;
    let traffic = Traffic::begin(&lab, &PODS[..2])?;
    let address = lab.pod(PODS[2])?.1.remove(0);
    let mut stolen = vec![
        lab.talk(PODS[0], "UDP", format!("{address}:{PORT}").parse()?)?,
        lab.talk(PODS[2], "UDP", format!("{}:{PORT}", lab.pod(PODS[0])?.1.remove(0)).parse()?)?,
    ];
    stolen.iter_mut().try_for_each(|talk| talk.goes())?;
    let said = lab.keys(&["revoke", STOLEN])?;
    let edited = unix_ms(lab.edited("ringfencerevocation", STOLEN)?);
    ensure!(NODES[..2].iter().all(|node| said.contains(&format!("{node}: confirms"))), "{said}");
    std::thread::sleep(Duration::from_secs(3));
    for (what, counts) in finish(stolen)? {
        let late = counts.last_unix_ms.saturating_sub(edited);
        ensure!(
            late < 1000 * u64::from(patience_factor()),
            "{what}: still answered {late} ms after it was revoked"
        );
    }
    // Neither a restart of those who know nor new keys of the stolen node bring it back.
    for node in NODES {
        lab.lab(&["agent", "kill"], &[node])?;
    }
    let state = lab.node_dir(STOLEN)?.join("state");
    std::fs::remove_dir_all(state.join("keys"))?;
    std::fs::remove_file(state.join("rotation.json"))?;
    for node in &NODES[..2] {
        // The lab waits until all have met, which is not to be.
        lab.try_lab(&["agent", "start"], &["--name", lab.name(), node])?;
    }
    ensure!(is_cut(&lab)?, "it is back after a restart");
    let problems = lab.status(NODES[0])?.mesh.rotation.revoked;
    ensure!(problems.values().any(|node| node == STOLEN), "{problems:?}");
    lab.keys(&["admit", STOLEN])?;
    lab.try_lab(&["agent", "start"], &["--name", lab.name(), STOLEN])?;
    eventually("it is back once it is admitted", Duration::from_secs(30), || Ok(!is_cut(&lab)?))?;
    settled(&lab, 0, 60)?;
    traffic.finish().map(drop).context("between the others")
}
