//! The host's root for the guest: a virtiofsd on a socket.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ringfence_bootstrap::apt::{self, Package};

/// A process that ends with this value.
#[derive(Debug)]
pub(super) struct Guarded(pub(super) Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}

/// A running virtiofsd.
#[derive(Debug)]
pub(super) struct Share {
    _process: Guarded,
    /// The vhost-user socket.
    pub(super) socket: PathBuf,
}

impl Drop for Share {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket); // virtiofsd removes it itself where it can
    }
}

/// virtiofsd as packaged: with QEMU 7.2 and before, written in C; after, a package of its own, written in Rust.
const IN_QEMU: &str = "/usr/lib/qemu/virtiofsd";
const OF_ITS_OWN: [&str; 2] = ["/usr/libexec/virtiofsd", "/usr/lib/virtiofsd"];

/// Shares `/` on a socket of its own, logging to `log`.
///
/// # Errors
/// When virtiofsd cannot be installed or does not listen within five seconds.
pub(super) fn start(log: &Path) -> Result<Share> {
    // Not under target/: a socket's path may have 107 bytes.
    let socket = std::env::temp_dir().join(format!("ringfence-vm-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&socket); // of an earlier process with the same id
    let file = std::fs::File::create(log).with_context(|| format!("writing {}", log.display()))?;
    let other = file.try_clone().context("duplicating the log")?;
    let mut command = command(&socket)?;
    let child =
        command.stdin(Stdio::null()).stdout(file).stderr(other).spawn().context("starting virtiofsd")?;
    let mut share = Share { _process: Guarded(child), socket };
    let deadline = Instant::now() + Duration::from_secs(5);
    while !share.socket.exists() {
        let ended = share._process.0.try_wait().context("asking after virtiofsd")?;
        if ended.is_some() || Instant::now() > deadline {
            bail!("virtiofsd does not run: {}", std::fs::read_to_string(log).unwrap_or_default().trim());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(share)
}

fn command(socket: &Path) -> Result<Command> {
    let mut command = super::boot::bound_to_us();
    // It holds a descriptor for each file the guest knows; more than the hard limit would need a privilege.
    let limit = format!("--rlimit-nofile={}", hard_limit_of_files().min(1_000_000));
    // In containers only chroot works; the guest is ours, and the mount read-only.
    let of_its_own = || OF_ITS_OWN.iter().find(|path| Path::new(path).is_file());
    if of_its_own().is_none() && !Path::new(IN_QEMU).is_file() {
        apt::install(&[Package { name: "virtiofsd", why: "gives virtual machines the host's files" }])?;
    }
    // The newer one first: its package leaves a link to it where the older one was.
    if let Some(program) = of_its_own() {
        command.arg(program);
        command.args(["--shared-dir=/", "--sandbox=chroot", "--cache=always", "--log-level=warn"]);
        // Announced mounts become automounts in the guest, which overlayfs refuses (EREMOTE).
        command.arg("--no-announce-submounts");
    } else if Path::new(IN_QEMU).is_file() {
        command.arg(IN_QEMU).args(["-o", "source=/", "-o", "sandbox=chroot", "-o", "cache=always"]);
        command.args(["-o", "log_level=warn"]);
    } else {
        bail!("virtiofsd is missing although its package is installed");
    }
    command.arg(limit).arg(format!("--socket-path={}", socket.display()));
    Ok(command)
}

/// From `/proc/self/limits`: "Max open files  SOFT  HARD  files".
fn hard_limit_of_files() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(4096)
}
