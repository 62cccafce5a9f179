//! Network namespaces for tests: made with names of their own, entered by command or by thread, gone when dropped.
//!
//! Each has a mount namespace too, with an empty `/run` (sockets of userspace WireGuards live there by name) and
//! nothing else private. `ip netns exec` is not used: it remounts `/sys`.

mod capture;
mod drops;
mod enter;
mod flood;
mod talk;
mod underlay;

pub use capture::{Capture, Frame};
pub use drops::Drops;
pub use flood::Flood;
pub use talk::{Server, Stream, seen_as};
pub use underlay::Underlay;

use anyhow::{Context, Result, bail, ensure};
use ringfence::lab::{patience, patience_factor};
use std::fs;
use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A network namespace with a mount namespace, held by a process.
#[derive(Debug)]
pub struct Netns {
    label: String,
    holder: Child,
}

impl Netns {
    /// Makes one. The label is for messages.
    ///
    /// # Errors
    /// Without root, or `unshare` (util-linux).
    pub fn new(label: &str) -> Result<Self> {
        // `setpriv`: the holder goes with a test that is killed. Its output tells when all is set up.
        let script = "mount --make-rprivate / && mount -t tmpfs tmpfs /run && ip link set lo up && echo ready \
                      && exec sleep infinity";
        let holder = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--net", "--mount", "--", "sh", "-c", script])
            .env("RINGFENCE_TEST_NETNS", label)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("setpriv and unshare (util-linux)")?;
        let mut namespace = Self { label: label.to_owned(), holder };
        let mut ready = [0; 6];
        let output = namespace.holder.stdout.as_mut().context("no output")?;
        std::io::Read::read_exact(output, &mut ready).with_context(|| format!("namespace {label}"))?;
        Ok(namespace)
    }

    /// Its label.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The process that holds it: `nsenter -t PID -m -n`.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// How a person gets in while the test stands still.
    #[must_use]
    pub fn enter_hint(&self) -> String {
        format!("{}: nsenter -t {} -m -n bash", self.label, self.pid())
    }

    /// A command that will run inside.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.pid().to_string(), "-m", "-n", "--wd=/", "--", program]);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command line, split at spaces, inside; its standard output.
    ///
    /// # Errors
    /// If it fails, with what it said.
    pub fn run(&self, line: &str) -> Result<String> {
        let output = self.output(line)?;
        ensure!(
            output.status.success(),
            "{}: {line}: {}: {}{}",
            self.label,
            output.status,
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout),
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a command line inside, whatever comes of it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn output(&self, line: &str) -> Result<Output> {
        let mut words = line.split(' ');
        let program = words.next().unwrap_or_default();
        self.command(program).args(words).output().with_context(|| line.to_owned())
    }

    /// Runs a program inside that reads `input`; its standard output.
    ///
    /// # Errors
    /// If it fails, with what it said.
    pub fn pipe(&self, line: &str, input: &str) -> Result<String> {
        let mut words = line.split(' ');
        let mut command = self.command(words.next().unwrap_or_default());
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| line.to_owned())?;
        child.stdin.take().context("no input")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("{}: {line}: {}", self.label, String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether `count` of `count` pings to `address` come back within a second each (more on a slow machine, as
    /// [`patience`] says). To show that something arrives, [`Netns::answered`] is surer.
    #[must_use]
    pub fn pings(&self, address: &str, source: Option<&str>, count: u32) -> bool {
        let source = source.map(|source| format!(" -I {source}")).unwrap_or_default();
        let seconds = patience_factor();
        let line = format!("ping -n -q -i 0.05 -W {seconds} -c {count}{source} {address}");
        let output = self.output(&line).map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        output.is_ok_and(|text| text.contains(&format!(" {count} received")))
    }

    /// Sends `count` echo requests to `address`, each once the one before was answered; an error with what `ping` said as
    /// soon as one is not, within a second (more on a slow machine).
    ///
    /// One `ping` for all would not do: once it has had an answer it waits for the last only twice as long as that took
    /// (iputils, ping(8), `-W`), and on a busy machine takes a late answer for a lost one.
    ///
    /// # Errors
    /// What was not answered.
    pub fn answered(&self, address: &str, count: u32) -> Result<()> {
        (0..count)
            .try_for_each(|_| self.run(&format!("ping -n -W {} -c 1 {address}", patience_factor())).map(drop))
    }

    /// Processes inside, by the identity of the network namespace.
    fn inhabitants(&self) -> Vec<i32> {
        let Ok(ours) = fs::read_link(format!("/proc/{}/ns/net", self.pid())) else { return Vec::new() };
        // Nothing of the machine's own, whatever became of the holder.
        if fs::read_link("/proc/self/ns/net").is_ok_and(|own| own == ours) {
            return Vec::new();
        }
        let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
        let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|net| net == ours)).collect()
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let holder = self.pid().cast_signed();
        let own = std::process::id().cast_signed();
        for pid in self.inhabitants().into_iter().filter(|pid| ![holder, own].contains(pid)) {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Waits until `condition` holds, at most `limit` (more on a slow machine, as [`patience`] says); how long it took.
///
/// # Errors
/// If it does not hold in time.
pub fn eventually(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Result<Duration> {
    let (started, limit) = (Instant::now(), patience(limit));
    while !condition() {
        ensure!(started.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(started.elapsed())
}
