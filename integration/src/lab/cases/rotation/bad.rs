//! What nodes must not publish: refused and named, and the mesh stays as it was.
use super::traffic::{NODES, PODS, Traffic};
use super::{lab, settled};
use crate::lab::eventually;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;

const LIAR: &str = NODES[2];

/// Each of these in the place of what a node published, while its agent is away.
///
/// # Errors
/// What is not named, or cuts anybody.
pub fn publications() -> Result<()> {
    let lab = lab("bad")?;
    lab.rotate(&[])?;
    let mut traffic = Traffic::begin(&lab, &PODS)?;
    lab.lab(&["agent", "kill"], &[LIAR])?;
    let source = lab.state()?.source;
    let file = format!("ringfencenode.{LIAR}.json");
    let path = source.join(&file);
    let good = std::fs::read_to_string(&path)?;
    let object: Value = serde_json::from_str(&good)?;
    let other: Value =
        serde_json::from_str(&std::fs::read_to_string(source.join("ringfencenode.node1.json"))?)?;
    let theirs = other["spec"]["planes"][0]["publicKey"].clone();
    let with = |pointer: &str, value: Value| -> Result<String> {
        let mut object = object.clone();
        *object.pointer_mut(pointer).with_context(|| pointer.to_owned())? = value;
        let serial = object["spec"]["serial"].as_u64().unwrap_or(0);
        if !pointer.ends_with("serial") {
            object["spec"]["serial"] = json!(serial + 1);
        }
        Ok(object.to_string())
    };
    let key = "/spec/planes/0/publicKey";
    let zero = "A".repeat(43) + "=";
    let low = "AQ".to_owned() + &"A".repeat(41) + "=";
    for (what, text) in [
        ("an empty key", with(key, json!(""))?),
        ("a short key", with(key, json!("AAAA"))?),
        ("a key of zeros", with(key, json!(zero))?),
        ("a key of low order", with(key, json!(low))?),
        ("another node's key", with(key, theirs)?),
        ("a plane that does not exist", with("/spec/planes/0/plane", json!("rf-wg7"))?),
        ("a huge epoch", with("/spec/epoch", json!(1_u64 << 52))?),
        ("a serial that went back", with("/spec/serial", json!(1))?.replace("\"turns\":0", "\"turns\":9")),
    ] {
        lab.put(&file, &text)?;
        eventually(&format!("{what} is named"), Duration::from_secs(20), || {
            let problems = lab.status(NODES[0])?.problems;
            Ok(problems.iter().any(|problem| problem.kind == "RingfenceNode" && problem.object.name == LIAR))
        })?;
        traffic.goes_on(what)?;
        lab.put(&file, &good)?;
        eventually(&format!("{what} is forgotten"), Duration::from_secs(20), || {
            Ok(lab.status(NODES[0])?.problems.is_empty())
        })?;
    }
    // Half a file: the directory as a whole cannot be read, and everything stays.
    std::fs::write(&path, &good[..good.len() / 2])?;
    eventually("half a file is named", Duration::from_secs(20), || {
        Ok(lab.status(NODES[0])?.problems.iter().any(|problem| problem.source.contains(LIAR)))
    })?;
    traffic.goes_on("half a file")?;
    std::fs::write(&path, &good)?;
    lab.lab(&["agent", "start"], &[LIAR])?;
    settled(&lab, 1, 60)?;
    ensure!(lab.status(NODES[0])?.problems.is_empty());
    traffic.finish().map(drop)
}
