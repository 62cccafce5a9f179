//! The process behind a userspace WireGuard device.
use crate::mesh_lab::MeshLab;
use crate::netns::{Flood, Netns, eventually};
use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ringfence::apply::mesh::BackendChoice::Userspace;
use ringfence::plan::mesh::Action;
use ringfence_keyring::Plane;
use std::fs;
use std::net::{Ipv6Addr, UdpSocket};
use std::time::Duration;

/// Of the process behind `rf-wg0` of a node: who listens there.
fn process(node: &Netns) -> Result<Pid> {
    let pid = node.enter(|| {
        let socket = std::os::unix::net::UnixStream::connect(ringfence::userspace::socket_path("rf-wg0"))?;
        Ok(nix::sys::socket::getsockopt(&socket, nix::sys::socket::sockopt::PeerCredentials)?.pid())
    })?;
    Ok(Pid::from_raw(pid))
}

fn status(pid: Pid, field: &str) -> Result<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).with_context(|| field.to_owned())?;
    Ok(line.trim().to_owned())
}

/// It is in a session of its own, holds no descriptor of ours, cannot be dumped, and its socket is root's alone.
///
/// # Errors
/// What does not hold.
pub fn stands_alone() -> Result<()> {
    let lab = MeshLab::ready("rfm-alone", Userspace)?;
    let node = &lab.node(1)?.netns;
    let pid = process(node)?;
    ensure!(nix::unistd::getsid(Some(pid))? == pid, "it is in our session");
    ensure!(fs::read_link(format!("/proc/{pid}/fd/0"))?.as_os_str() == "/dev/null");
    // prctl(2): files of a process that is not dumpable belong to root whoever runs it; ptrace needs the capability.
    let modes = node.run("stat -c %a:%U /run/wireguard /run/wireguard/rf-wg0.sock")?;
    ensure!(modes == "700:root\n700:root\n", "{modes}");
    Ok(())
}

/// The executor going away loses no packet, and the next one changes nothing.
///
/// # Errors
/// What was lost or changed.
pub fn outlives_the_executor() -> Result<()> {
    let mut lab = MeshLab::ready("rfm-outlive", Userspace)?;
    let before = process(&lab.node(1)?.netns)?;
    let (from, to) = (lab.node(1)?.pod.v4.clone(), lab.node(2)?.pod.v4.clone());
    let flood = Flood::start(&lab.node(1)?.pod.netns, &lab.node(2)?.pod.netns, &to)?;
    let back = Flood::start(&lab.node(2)?.pod.netns, &lab.node(1)?.pod.netns, &from)?;
    lab.nodes[0].restart_executor()?;
    let report = lab.converge(1)?;
    // The nftables tables are put back because nobody remembers them, and the programs are attached again. Nothing else.
    let renewed = |step: &Action| {
        use Action::{AttachPrograms, ReplaceLock, ReplaceNat, ReplaceWords};
        matches!(step, ReplaceLock(_) | ReplaceNat(_) | ReplaceWords(_) | AttachPrograms(_))
    };
    ensure!(report.done.iter().all(renewed), "{:?}", report.done);
    std::thread::sleep(Duration::from_millis(300));
    for flood in [flood, back] {
        let (sent, lost) = flood.finish()?;
        ensure!(sent > 20 && lost.is_empty(), "{} of {sent} packets were lost", lost.len());
    }
    ensure!(process(&lab.node(1)?.netns)? == before, "the process was started anew");
    Ok(())
}

/// Killed, or robbed of its socket or pid file: it is started anew, and nothing of the old one is left.
///
/// # Errors
/// What was not mended.
pub fn is_started_anew() -> Result<()> {
    let lab = MeshLab::ready("rfm-anew", Userspace)?;
    let node = lab.node(1)?;
    let to = lab.node(2)?.pod.v4.clone();
    let _watching = node.worker.watch(lab.spec(1)?)?;
    for what in ["killed", "stopped", "robbed of its socket", "robbed of everything"] {
        let before = process(&node.netns)?;
        match what {
            "killed" => kill(before, Signal::SIGKILL)?,
            "stopped" => kill(before, Signal::SIGTERM)?,
            _ => fs::remove_file(format!("/proc/{}/root/run/wireguard/rf-wg0.sock", node.netns.pid()))?,
        }
        if what == "robbed of everything" {
            fs::remove_file(node.state().join("wireguard-rf-wg0.pid"))?;
            // Without socket and pid file nobody can tell whose it is; its device is deleted, which ends it.
        }
        let anew = || process(&node.netns).is_ok_and(|now| now != before);
        eventually(what, Duration::from_secs(5), anew)?;
        eventually(what, Duration::from_secs(10), || node.pod.netns.pings(&to, None, 1))?;
        let gone = || status(before, "State:").map_or(true, |state| state.starts_with('Z'));
        eventually("the old one is gone", Duration::from_secs(5), gone).context(what)?;
    }
    Ok(())
}

/// Somebody else has a plane's port: the other plane works, and so does this one once the port is free, in the same
/// process.
///
/// # Errors
/// What does not hold.
pub fn port_in_use() -> Result<()> {
    let lab = MeshLab::new("rfm-port", 3, Userspace)?;
    let (node, spec) = (lab.node(1)?, lab.spec(1)?);
    let squatter = node.netns.enter(|| Ok(UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 51871))?))?;
    let report = node.converge(spec)?;
    let failed: Vec<_> = report.failed.iter().filter(|(_, error)| error.is_some()).collect();
    ensure!(matches!(&failed[..], [(Action::SetKey { plane: Plane::Zero, .. }, _)]), "{failed:?}");
    let up = node.netns.run("ip -o link show up")?;
    ensure!(up.contains("rf-wg1") && !up.contains("rf-wg0"), "{up}");
    let before = process(&node.netns)?;
    drop(squatter);
    lab.up()?;
    ensure!(process(&node.netns)? == before, "the process was started anew");
    Ok(())
}
