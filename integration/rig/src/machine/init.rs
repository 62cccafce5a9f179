//! The first process of a machine: it makes the machine its own, then waits for the orphans of others.
use super::{Plan, cgroup, home, mounts};
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Of the machine's network, written where they exist. All addresses are ours: to look for duplicates only costs seconds.
const NETWORK: [(&str, &str); 8] = [
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv6/conf/all/forwarding", "1"),
    ("net/ipv6/conf/all/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/dad_transmits", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv4/conf/default/rp_filter", "2"),
    ("net/bridge/bridge-nf-call-iptables", "0"),
];

/// What a kubelet writes if it finds anything else (pkg/kubelet/cm/container_manager_linux.go); all of them are the whole
/// machine's.
const KUBELET: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// Makes this process the first one of a machine. Prints `ready`, and returns when asked to end (SIGTERM).
///
/// # Errors
/// If something of it is refused.
pub fn run(plan: &Plan<'_>) -> Result<()> {
    // A session of its own: whoever interrupts the command that started us does not mean us.
    nix::unistd::setsid().context("starting a session")?;
    if plan.node {
        cgroup::join(plan.root, plan.name)?;
    }
    let mut shared = plan.shared.to_vec();
    shared.push(plan.root.to_owned());
    mounts::enter(&home(plan.root, plan.name), &shared)?;
    fs::write("/proc/sys/kernel/hostname", plan.name).context("setting the host name")?;
    for (name, value) in NETWORK {
        // A kernel without IPv6 or bridge filtering lacks some, and needs none of them.
        let _ = fs::write(Path::new("/proc/sys").join(name), value);
    }
    if plan.node {
        for (name, value) in KUBELET {
            mounts::pretend(name, value)?;
        }
    }
    let status = Command::new("ip").args(["link", "set", "lo", "up"]).status().context("starting ip")?;
    anyhow::ensure!(status.success(), "`ip link set lo up` failed ({status})");
    serve()
}

fn serve() -> Result<()> {
    let mut awaited = SigSet::empty();
    awaited.add(Signal::SIGCHLD);
    awaited.add(Signal::SIGTERM);
    awaited.thread_block().context("blocking signals")?;
    let mut out = std::io::stdout();
    writeln!(out, "ready").and_then(|()| out.flush()).context("saying that the machine is ready")?;
    loop {
        match awaited.wait().context("waiting for signals")? {
            Signal::SIGTERM => return Ok(()),
            _ => reap(),
        }
    }
}

fn reap() {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}
