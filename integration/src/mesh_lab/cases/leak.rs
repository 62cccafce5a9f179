//! Nothing between nodes but WireGuard (P1), as far as routes alone see to it: no eBPF program is loaded here.
use crate::mesh_lab::MeshLab;
use crate::netns::{Capture, Drops, Frame, Netns};
use anyhow::{Result, ensure};
use ringfence::mesh::Memory;
use std::time::Duration;

/// Captures the underlay while `work` runs: nothing may be seen but WireGuard, ARP and neighbour discovery.
fn watched(lab: &MeshLab, work: impl FnOnce() -> Result<()>) -> Result<Vec<Frame>> {
    let capture = Capture::start(&lab.underlay)?;
    work()?;
    // What is still on its way.
    std::thread::sleep(Duration::from_millis(200));
    let frames = capture.finish()?;
    let guilty: Vec<String> =
        frames.iter().filter(|frame| frame.innocent().is_none()).map(Frame::describe).collect();
    ensure!(guilty.is_empty(), "{} frames in the clear:\n{}", guilty.len(), guilty.join("\n"));
    Ok(frames)
}

fn wireguard(frames: &[Frame]) -> usize {
    frames.iter().filter(|frame| frame.innocent() == Some("WireGuard")).count()
}

/// A default route, so that what is not on the mesh would find a way out.
fn tempt(lab: &MeshLab) -> Result<()> {
    for node in &lab.nodes {
        node.netns.run("ip route replace default via 192.0.2.250")?;
        node.netns.run("ip -6 route replace default via 2001:db8::250")?;
        // Known neighbour: otherwise the packet would wait for an answer to ARP, and not be seen.
        node.netns.run("ip neigh replace 192.0.2.250 lladdr 02:00:00:00:00:fa dev eth0")?;
        node.netns.run("ip neigh replace 2001:db8::250 lladdr 02:00:00:00:00:fa dev eth0")?;
    }
    Ok(())
}

/// Two echo requests, both answered; else all that can be said about why not.
fn answered(lab: &MeshLab, from: &Netns, to: &str) -> Result<()> {
    let namespaces = lab.namespaces();
    let before = Drops::of(&namespaces)?;
    from.answered(to, 2).map_err(|error| match Drops::of(&namespaces) {
        Ok(now) => error.context(format!("counted as dropped:\n{}", now.since(&before))),
        Err(_) => error,
    })
}

/// While all pods talk to all pods and nodes, and nodes to pods.
///
/// # Errors
/// What was seen in the clear.
pub fn while_all_talk(lab: &MeshLab) -> Result<()> {
    tempt(lab)?;
    let frames = watched(lab, || {
        for from in &lab.nodes {
            for to in lab.nodes.iter().filter(|to| to.name != from.name) {
                for address in [&to.pod.v4, &to.pod.v6] {
                    answered(lab, &from.pod.netns, address)?;
                    answered(lab, &from.netns, address)?;
                }
                for address in &to.object.addresses {
                    answered(lab, &from.pod.netns, &address.to_string())?;
                }
            }
        }
        Ok(())
    })?;
    // 3 nodes, 2 others, 6 destinations, 2 pings there and back.
    ensure!(wireguard(&frames) >= 3 * 2 * 6 * 2 * 2, "only {} packets of WireGuard seen", wireguard(&frames));
    Ok(())
}

/// With the device deleted, and nobody to mend it: pods and nodes keep sending, nothing leaves.
///
/// # Errors
/// What was seen in the clear.
pub fn without_device(lab: &MeshLab) -> Result<()> {
    tempt(lab)?;
    let (node, to) = (lab.node(1)?, lab.node(2)?);
    node.netns.run("ip link del rf-wg0")?;
    watched(lab, || {
        for address in ["10.244.2.10", "fd00:10:244:2::10", "192.0.2.2", "2001:db8::2"] {
            ensure!(!node.pod.netns.pings(address, None, 3), "{address} answers without a device");
        }
        for address in [&to.pod.v4, &to.pod.v6] {
            ensure!(!node.netns.pings(address, None, 3), "{address} answers without a device");
        }
        Ok(())
    })?;
    lab.up()
}

/// Towards pods of a node that nobody told us of, and towards a node whose keys are not known yet.
///
/// # Errors
/// What was seen in the clear.
pub fn towards_the_unknown(lab: &MeshLab) -> Result<()> {
    tempt(lab)?;
    let mut snapshot = lab.snapshot.clone();
    std::sync::Arc::make_mut(&mut snapshot.publications).remove("n3");
    let node = lab.node(1)?;
    let report = node.converge(node.compile(&snapshot, lab.epoch, &lab.config, &Memory::default())?)?;
    ensure!(report.failed.is_empty() && !report.done.is_empty(), "{report:?}");
    watched(lab, || {
        for address in [
            "10.244.99.5",
            "fd00:10:244:99::5",
            "10.244.3.10",
            "fd00:10:244:3::10",
            "192.0.2.3",
            "2001:db8::3",
        ] {
            ensure!(!node.pod.netns.pings(address, None, 3), "{address} answers");
        }
        for address in ["10.244.99.5", "fd00:10:244:99::5", "10.244.3.10"] {
            ensure!(!node.netns.pings(address, None, 3), "{address} answers");
        }
        Ok(())
    })?;
    lab.up()
}

/// The capture does see what is in the clear.
///
/// # Errors
/// If it does not.
pub fn capture_sees_plaintext(lab: &MeshLab) -> Result<()> {
    tempt(lab)?;
    let node = lab.node(1)?;
    for line in [
        "nft delete table inet ringfence-lock",
        "ip route del blackhole 10.244.0.0/16",
        "ip -6 route del blackhole fd00:10:244::/48",
    ] {
        node.netns.run(line)?;
    }
    let seen = watched(lab, || {
        let _ = node.netns.pings("10.244.99.5", None, 1);
        let _ = node.netns.pings("fd00:10:244:99::5", None, 1);
        Ok(())
    });
    let Err(error) = seen else { anyhow::bail!("two packets in the clear were not seen") };
    let text = error.to_string();
    ensure!(text.contains("type 0800") && text.contains("type 86dd"), "{text}");
    lab.up()
}
