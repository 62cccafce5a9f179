//! `ringfence lab machine`: the first process of a machine. It mounts what only this machine sees, then does nothing but
//! wait for the orphans of others; when it ends, everything on the machine ends with it.
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;

const NONE: Option<&str> = None;

/// Settings of every machine's network, written where they exist. Duplicate address detection would only cost seconds:
/// all addresses are ours. Reverse path filtering is as Debian has it.
const SYSCTLS: [(&str, &str); 7] = [
    ("net/ipv6/conf/all/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/dad_transmits", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv4/conf/default/rp_filter", "2"),
    ("net/ipv4/ping_group_range", "0 2147483647"),
    ("net/bridge/bridge-nf-call-iptables", "0"),
];

/// Makes this process the first one of machine `name` of the lab at `root`, which stays visible under its own path.
/// Prints `ready`, and returns when asked to end (SIGTERM).
///
/// # Errors
/// If a mount or the host name is refused.
pub fn run(root: &Path, name: &str) -> io::Result<()> {
    // A session of its own: whoever interrupts the command that started us does not mean us.
    nix::unistd::setsid()?;
    mounts(root)?;
    fs::write("/proc/sys/kernel/hostname", name)?;
    sysctls();
    let status = Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
    if !status.success() {
        return Err(io::Error::other(format!("`ip link set lo up`: {status}")));
    }
    let mut awaited = SigSet::empty();
    awaited.add(Signal::SIGCHLD);
    awaited.add(Signal::SIGTERM);
    awaited.thread_block()?;
    let mut out = io::stdout();
    writeln!(out, "ready")?;
    out.flush()?;
    loop {
        let signal = awaited.wait()?;
        if signal == Signal::SIGTERM {
            return Ok(());
        }
        reap();
    }
}

/// Its own `/run` keeps WireGuard's sockets and the named network namespaces of machines apart, a fresh `/sys` shows its
/// own devices, its own bpffs its own pins.
fn mounts(root: &Path) -> io::Result<()> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), NONE)?;
    let lab = File::open(root)?;
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
    for directory in ["/run/netns", "/run/wireguard", "/run/lock"] {
        fs::create_dir_all(directory)?;
    }
    if root.starts_with("/run") {
        fs::create_dir_all(root)?;
        let held = format!("/proc/self/fd/{}", lab.as_raw_fd());
        mount(Some(held.as_str()), root, NONE, MsFlags::MS_BIND, NONE)?;
    }
    mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), NONE)?;
    mount(Some("bpf"), "/sys/fs/bpf", Some("bpf"), MsFlags::empty(), NONE)?;
    Ok(())
}

/// Writes [`SYSCTLS`] for the network namespace of this thread.
pub(super) fn sysctls() {
    for (name, value) in SYSCTLS {
        // A kernel without IPv6 or bridge filtering lacks some, and needs none of them.
        let _ = fs::write(Path::new("/proc/sys").join(name), value);
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
