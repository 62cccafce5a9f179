//! Keys rotate while everybody talks to everybody, and nothing is lost (P4), reset, or seen in the clear (P1).
pub mod absent;
pub mod bad;
pub mod commands;
pub mod forged;
pub mod killed;
pub mod revoked;
pub mod secrets;
mod traffic;

use crate::lab::{Lab, Talk, all_whole, eventually};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use traffic::{NODES, PODS, PORT, Traffic, manifests};

fn lab(name: &str) -> Result<Lab> {
    // Nobody rotates but who is told to.
    Lab::up(name, &manifests(3), &["--nodes", "3", "--agent-argument=--rotate-every=0"])
}

/// Nodes that have addresses of IPv6 alone, on an underlay that has nothing else.
///
/// # Errors
/// What was lost; a rotation that does not end.
pub fn of_ipv6_alone() -> Result<()> {
    let manifests = manifests(3);
    let pods = manifests.rsplit_once("---").context("a Service at the end")?.0;
    let arguments = ["--nodes", "3", "--family", "v6", "--agent-argument=--rotate-every=0"];
    let lab = Lab::up("rotate-v6", pods, &arguments)?;
    let mut talks = Vec::new();
    for (from, to) in [(PODS[0], PODS[1]), (PODS[1], PODS[2]), (PODS[2], PODS[0])] {
        let address: IpAddr = lab.pod(to)?.1.remove(0).parse()?;
        ensure!(address.is_ipv6(), "{to} has {address}");
        talks.push(lab.talk(from, "TCP", SocketAddr::new(address, PORT))?);
        talks.push(lab.ping(from, address)?);
    }
    talks.iter_mut().try_for_each(Talk::goes)?;
    lab.rotate(&[])?;
    talks.iter_mut().try_for_each(Talk::goes)?;
    settled(&lab, 1, 60)?;
    all_whole(talks, 50)
}

/// The mesh's epoch, and the fingerprints of all keys that are published.
fn keys(lab: &Lab) -> Result<(u64, BTreeSet<String>)> {
    let status = lab.keys_status()?;
    let nodes = status["nodes"].as_object().context("no nodes")?;
    let of_node = |node: &Value| node["keys"].as_object().cloned().unwrap_or_default();
    let keys = nodes.values().flat_map(of_node).filter_map(|(_, key)| Some(key.as_str()?.to_owned()));
    Ok((status["epoch"].as_u64().context("no epoch")?, keys.collect()))
}

/// Waits until the mesh is at an epoch and every node has finished.
fn settled(lab: &Lab, epoch: u64, seconds: u64) -> Result<()> {
    eventually(&format!("epoch {epoch}, and all settled"), Duration::from_secs(seconds), || {
        let status = lab.keys_status()?;
        let nodes = status["nodes"].as_object().context("no nodes")?;
        Ok(status["epoch"] == epoch && nodes.values().all(|node| node["state"] == "settled"))
    })
}

/// Whether a node says that it waits for another.
fn waits_for(lab: &Lab, node: &str, other: &str) -> Result<bool> {
    Ok(lab.status(node)?.mesh.rotation.waiting.iter().any(|waiting| waiting.node == other))
}

/// All nodes' keys, so many times.
///
/// # Errors
/// What was lost, or seen in the clear.
pub fn of_all(times: u64) -> Result<()> {
    let lab = lab("rotate")?;
    let mut traffic = Traffic::begin(&lab, &PODS)?;
    let capture = lab.capture()?;
    let (epoch, mut known) = keys(&lab)?;
    ensure!((epoch, known.len()) == (0, 6), "epoch {epoch}, {known:?}");
    let mut capture = Some(capture);
    for round in 1..=times {
        lab.rotate(&[])?;
        traffic.goes_on(&format!("rotation {round}"))?;
        let (epoch, now) = keys(&lab)?;
        let kept: Vec<_> = known.intersection(&now).collect();
        // The keys that stood ready are in use now, the others are new.
        ensure!(epoch == round && now.len() == 6 && kept.len() == 3, "epoch {epoch}: {kept:?} of {now:?}");
        known = now;
        if let Some(capture) = capture.take() {
            for port in ["51871", "51872"] {
                // Longer than any handshake or keepalive of WireGuard.
                let data = capture.matching(&format!("udp port {port} and greater 200"))?.len();
                ensure!(data > 100, "only {data} packets of data by port {port}");
            }
        }
    }
    let encrypted = traffic.finish()?;
    eprintln!(
        "{times} rotations: none lost, {encrypted} encrypted packets on the underlay, none in the clear"
    );
    let (verdicts, code) = lab.audit()?;
    let intact = |log: &Value| log["verdict"] == "intact";
    ensure!(
        code == Some(0) && verdicts.as_array().is_some_and(|all| all.len() == 3 && all.iter().all(intact)),
        "{verdicts}"
    );
    Ok(())
}

/// One node's keys, both of them, and idle keys made anew before all rotate.
///
/// # Errors
/// What was lost, or seen in the clear.
pub fn of_one_and_fresh() -> Result<()> {
    let lab = lab("rotate-one")?;
    let mut traffic = Traffic::begin(&lab, &PODS)?;
    let before = keys(&lab)?;
    lab.rotate(&["--fresh"])?;
    traffic.goes_on("all rotated, after the keys that stood ready were made anew")?;
    let between = keys(&lab)?;
    ensure!(between.0 == 1 && between.1.is_disjoint(&before.1), "{before:?}, then {between:?}");
    lab.rotate(&["--node", NODES[1]])?;
    traffic.goes_on("the second node's keys are other ones")?;
    let after = keys(&lab)?;
    let gone: Vec<_> = between.1.difference(&after.1).collect();
    ensure!(after.0 == between.0 && gone.len() == 2, "{between:?}, then {after:?}");
    traffic.finish().map(drop)
}
