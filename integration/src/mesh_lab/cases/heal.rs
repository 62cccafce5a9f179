//! What others break is mended within two seconds.
use crate::mesh_lab::MeshLab;
use crate::netns::eventually;
use anyhow::{Context, Result, ensure};
use ringfence_keyring::Plane;
use std::time::Duration;

/// Each with the command that shows it, broken by a stranger.
const BREAKAGES: [(&str, &str); 15] = [
    ("a route onto the mesh is deleted", "ip route del 10.244.2.0/24"),
    ("a route is bent to another device", "ip route replace 10.244.2.0/24 dev eth0 metric 100"),
    ("an IPv6 route is deleted", "ip -6 route del fd00:10:244:2::/64"),
    ("a blackhole is deleted", "ip route del blackhole 10.244.0.0/16"),
    ("a node's route in the pods' table is deleted", "ip route del 192.0.2.2/32 table 1871 metric 100"),
    ("the rule is deleted", "ip rule del from 10.244.1.0/24"),
    ("the IPv6 rule is deleted", "ip -6 rule del from fd00:10:244:1::/64"),
    ("the nftables table is deleted", "nft delete table inet ringfence"),
    ("a chain is emptied", "nft flush chain inet ringfence mesh"),
    ("every nftables rule is flushed", "nft flush ruleset"),
    ("the lock is deleted", "nft delete table inet ringfence-lock"),
    ("the lock is opened", "nft flush chain inet ringfence-lock postrouting"),
    ("the device is set down", "ip link set rf-wg0 down"),
    ("the MTU is lowered", "ip link set rf-wg0 mtu 1280"),
    ("the device is deleted", "ip link del rf-wg0"),
];

/// Every breakage is mended, and traffic flows again.
///
/// # Errors
/// What was not mended in time.
pub fn everything(lab: &MeshLab) -> Result<()> {
    let node = lab.node(1)?;
    let _watching = node.worker.watch(lab.spec(1)?)?;
    let state = || -> Result<String> {
        let mut text = String::new();
        for line in [
            "ip -o link show dev rf-wg0",
            "ip route show table all proto 158",
            "ip -6 route show table all proto 158",
            "ip rule show",
            "ip -6 rule show",
            "nft -s list table inet ringfence",
            "nft -s list table inet ringfence-lock",
        ] {
            let output = node.netns.run(line).unwrap_or_default();
            // Index and queue state of a device made anew differ.
            text.extend(output.lines().map(|line| stable(line) + "\n"));
        }
        Ok(text)
    };
    let whole = state()?;
    ensure!(whole.contains("blackhole"), "{whole}");
    for (what, command) in BREAKAGES {
        node.netns.run(command).with_context(|| what.to_owned())?;
        let mended = || state().is_ok_and(|now| now == whole);
        let took = eventually(what, Duration::from_secs(2), mended)
            .with_context(|| format!("{}\ninstead of\n{whole}", state().unwrap_or_default()))?;
        println!("{what}: mended after {} ms", took.as_millis());
        let to = &lab.node(2)?.pod;
        for address in [&to.v4, &to.v6] {
            // A device made anew needs a handshake first.
            eventually(what, Duration::from_secs(8), || node.pod.netns.pings(address, None, 1))?;
        }
    }
    Ok(())
}

/// A line of `ip` without what may differ after mending.
fn stable(line: &str) -> String {
    let line = line.split_once(": ").map_or(
        line,
        |(number, rest)| {
            if number.parse::<u32>().is_ok() { rest } else { line }
        },
    );
    let line = line.split(" state ").next().unwrap_or(line);
    line.trim_end().to_owned()
}

/// Loose filtering of sources, and forwarding, are kept.
///
/// # Errors
/// What was not mended.
pub fn sysctls(lab: &MeshLab) -> Result<()> {
    let node = lab.node(1)?;
    for (path, wrong, right) in [
        ("net/ipv4/conf/rf-wg0/rp_filter", "1", "2"),
        ("net/ipv4/conf/rf-wg1/rp_filter", "0", "2"),
        ("net/ipv4/ip_forward", "0", "1"),
        ("net/ipv6/conf/all/forwarding", "0", "1"),
    ] {
        let file = format!("/proc/sys/{path}");
        node.netns.pipe(&format!("tee {file}"), wrong)?;
        ensure!(node.netns.run(&format!("cat {file}"))?.trim() == wrong, "{path} cannot be broken");
        let report = lab.converge(1)?;
        ensure!(!report.done.is_empty(), "{path} was not seen to be wrong");
        ensure!(node.netns.run(&format!("cat {file}"))?.trim() == right, "{path}");
    }
    Ok(())
}

/// A peer that somebody removed or changed is as it was after the next convergence.
///
/// # Errors
/// What was not mended.
pub fn peers(lab: &MeshLab) -> Result<()> {
    let spec = lab.spec(1)?;
    let to = lab.node(2)?.pod.v4.clone();
    let mut without = spec.clone();
    let device = without.devices.get_mut(&Plane::Zero).context("no device")?;
    device.peers.retain(|_, peer| peer.node != "n2");
    lab.node(1)?.converge(without)?;
    ensure!(!lab.node(1)?.pod.netns.pings(&to, None, 1), "a peer that is gone is still reached");
    let mut stolen = spec;
    let device = stolen.devices.get_mut(&Plane::Zero).context("no device")?;
    for peer in device.peers.values_mut() {
        // Everything of n2 belongs to n3 for once.
        let networks = ["10.244.2.0/24".parse()?, "192.0.2.2/32".parse()?];
        peer.allowed.retain(|network| peer.node != "n2" || !networks.contains(network));
        peer.allowed.extend(networks.into_iter().filter(|_| peer.node == "n3"));
    }
    lab.node(1)?.converge(stolen)?;
    ensure!(!lab.converge(1)?.done.is_empty(), "the theft was not noticed");
    eventually("n2 is reached again", Duration::from_secs(8), || {
        lab.node(1).is_ok_and(|node| node.pod.netns.pings(&to, None, 1))
    })?;
    // A peer made anew was greeted until it answered.
    eventually("nothing is left to be done", Duration::from_secs(2), || {
        lab.converge(1).is_ok_and(|report| report.done.is_empty())
    })
    .map(drop)
}
