//! Network namespaces without names: they are gone when this process is, however it ends.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace, held open.
pub(crate) struct Netns(File);

impl Netns {
    /// A new one, with loopback down.
    ///
    /// # Errors
    /// Without root.
    pub(crate) fn new() -> Result<Self> {
        on_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).context("making a network namespace (are you root?)")?;
            File::open("/proc/thread-self/ns/net").context("opening the new network namespace").map(Self)
        })
    }

    /// The same one, held open once more.
    ///
    /// # Errors
    /// When there are too many open files.
    pub(crate) fn again(&self) -> Result<Self> {
        self.0.try_clone().map(Self).context("holding a network namespace open")
    }

    /// Runs `work` on a thread inside; children that it starts are inside too.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) fn within<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        on_a_thread(|| {
            setns(&self.0, CloneFlags::CLONE_NEWNET).context("entering a network namespace")?;
            work()
        })
    }

    /// A path by which other processes reach it while this one lives.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Lines for `ip -batch`.
    ///
    /// # Errors
    /// The first line that `ip` refuses.
    pub(crate) fn ip(&self, lines: &str) -> Result<()> {
        self.within(|| fed(Command::new("ip").args(["-batch", "-"]), lines))
    }

    /// A ruleset for `nft -f`.
    ///
    /// # Errors
    /// When `nft` refuses it.
    pub(crate) fn nft(&self, rules: &str) -> Result<()> {
        self.within(|| fed(Command::new("nft").args(["-f", "-"]), rules))
    }

    /// Sets a sysctl under `/proc/sys/net`, which shows the namespace of whoever looks.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/net/{name}");
        self.within(|| std::fs::write(&path, value).with_context(|| format!("writing {value} to {path}")))
    }

    /// Packets that a device inside has received.
    ///
    /// # Errors
    /// When there is no such device.
    pub(crate) fn received(&self, device: &str) -> Result<u64> {
        let table = self.within(|| {
            std::fs::read_to_string("/proc/thread-self/net/dev").context("reading /proc/thread-self/net/dev")
        })?;
        // "eth0: bytes packets ...".
        let line = table.lines().find_map(|line| line.trim().strip_prefix(device)?.strip_prefix(':'));
        let packets = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        packets.with_context(|| format!("no device {device}"))
    }

    /// The index of a device inside.
    ///
    /// # Errors
    /// When there is no such device.
    pub(crate) fn ifindex(&self, device: &str) -> Result<u32> {
        self.within(|| {
            nix::net::if_::if_nametoindex(device).with_context(|| format!("looking up device {device}"))
        })
    }
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

fn fed(command: &mut Command, input: &str) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {name}"))?;
    let mut stdin = child.stdin.take().context("the input was not piped")?;
    // Where the program ends early, its message says more than the broken pipe.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().with_context(|| format!("waiting for {name}"))?;
    if !output.status.success() {
        bail!("{name}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
