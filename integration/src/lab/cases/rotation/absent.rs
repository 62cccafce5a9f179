//! Who does not take part: the rotation waits, says for whom, and cuts nobody.
use super::traffic::{NODES, PODS, Traffic};
use super::{lab, settled, waits_for};
use crate::lab::{Lab, eventually};
use anyhow::{Result, ensure};
use std::time::Duration;

const THIRD: &str = NODES[2];

/// An agent is dead throughout, while its node's pods serve.
///
/// # Errors
/// What was lost.
pub fn dead_agent() -> Result<()> {
    let lab = lab("dead-agent")?;
    let mut traffic = Traffic::begin(&lab, &PODS)?;
    lab.lab(&["agent", "kill"], &[THIRD])?;
    lab.keys(&["rotate"])?;
    eventually("the others wait for it", Duration::from_secs(40), || {
        Ok(waits_for(&lab, NODES[0], THIRD)? && waits_for(&lab, NODES[1], THIRD)?)
    })?;
    // Longer than it takes where nobody is waited for.
    std::thread::sleep(Duration::from_secs(15));
    traffic.goes_on("an agent is dead")?;
    let output = lab.try_keys(&["rotate", "--wait", "--timeout", "1"])?;
    ensure!(output.status.code() == Some(4), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(said.contains(&format!("waits for {THIRD}")), "{said}");
    lab.lab(&["agent", "start"], &[THIRD])?;
    // What was asked for meanwhile was to follow the first.
    settled(&lab, 2, 120)?;
    traffic.goes_on("it is back")?;
    traffic.finish().map(drop)
}

/// A firewall lets nothing through to one node's second port.
///
/// # Errors
/// What was lost.
pub fn blocked_port() -> Result<()> {
    let lab = lab("blocked")?;
    let mut traffic = Traffic::begin(&lab, &PODS)?;
    let table = "inet firewall";
    lab.shell(
        "node/node3",
        &format!(
            "nft 'add table {table}; add chain {table} input {{ type filter hook input priority -300; }}; \
             add rule {table} input udp dport 51872 drop; \
             add chain {table} output {{ type filter hook output priority -300; }}; \
             add rule {table} output udp dport 51872 drop'"
        ),
    )?;
    lab.keys(&["rotate"])?;
    eventually("the others wait for it", Duration::from_secs(40), || {
        Ok(waits_for(&lab, NODES[0], THIRD)? && waits_for(&lab, NODES[1], THIRD)?)
    })?;
    std::thread::sleep(Duration::from_secs(15));
    traffic.goes_on("a port is blocked")?;
    lab.shell("node/node3", &format!("nft delete table {table}"))?;
    settled(&lab, 1, 120)?;
    traffic.goes_on("it is open")?;
    traffic.finish().map(drop)
}

/// A node comes into a mesh in the middle of a rotation, with neither keys nor record.
///
/// # Errors
/// What was lost between the others; a rotation that does not end.
pub fn joins() -> Result<()> {
    let lab = lab("joins")?;
    forget(&lab)?;
    let mut traffic = Traffic::begin(&lab, &PODS[..2])?;
    lab.keys(&["rotate"])?;
    eventually("the epoch is raised", Duration::from_secs(30), || Ok(lab.keys_status()?["epoch"] == 1))?;
    lab.lab(&["agent", "start"], &[THIRD])?;
    settled(&lab, 1, 120)?;
    traffic.goes_on("a node has joined")?;
    lab.rotate(&[])?;
    traffic.goes_on("and rotates with the others")?;
    for from in &PODS[..2] {
        let address = lab.pod(PODS[2])?.1.remove(0);
        ensure!(lab.succeeds(from, &format!("ping -n -q -c 1 -W 2 {address}"))?, "{from} to the new node");
    }
    traffic.finish().map(drop)
}

/// The third node as it was before its agent first ran, registered anew: another Node object, which nobody has met.
fn forget(lab: &Lab) -> Result<()> {
    lab.lab(&["node", "reboot"], &["--no-agent", THIRD])?;
    let state = lab.node_dir(THIRD)?.join("state");
    for name in ["keys", "rotation.json", "audit.jsonl"] {
        let path = state.join(name);
        if path.is_dir() { std::fs::remove_dir_all(&path)? } else { std::fs::remove_file(&path)? }
    }
    let source = lab.state()?.source;
    std::fs::remove_file(source.join(format!("ringfencenode.{THIRD}.json")))?;
    let file = format!("node.{THIRD}.json");
    let mut node: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(source.join(&file))?)?;
    node["metadata"]["uid"] = "registered-anew".into();
    lab.put(&file, &node.to_string())?;
    Ok(())
}

/// A node is down throughout: after three minutes it is waited for no longer, and when it is back it comes along.
///
/// # Errors
/// What was lost between the others; a rotation that does not end.
pub fn down() -> Result<()> {
    let lab = lab("down")?;
    let mut traffic = Traffic::begin(&lab, &PODS[..2])?;
    lab.lab(&["node", "reboot"], &["--no-agent", THIRD])?;
    lab.keys(&["rotate"])?;
    eventually("it is waited for", Duration::from_secs(40), || waits_for(&lab, NODES[0], THIRD))?;
    eventually("it is given up", Duration::from_secs(240), || {
        let status = lab.keys_status()?;
        Ok(NODES[..2].iter().all(|node| status["nodes"][node]["state"] == "settled") && status["epoch"] == 1)
    })?;
    traffic.goes_on("rotated without it")?;
    lab.lab(&["agent", "start"], &[THIRD])?;
    settled(&lab, 1, 120)?;
    for from in &PODS[..2] {
        let address = lab.pod(PODS[2])?.1.remove(0);
        eventually("it is back", Duration::from_secs(30), || {
            lab.succeeds(from, &format!("ping -n -q -c 1 -W 2 {address}"))
        })?;
    }
    traffic.goes_on("it is back")?;
    traffic.finish().map(drop)
}
