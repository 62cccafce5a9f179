//! Tests drive the lab as people do: through `ringfence lab`. Needs root.
//!
//! A lab is taken down when its handle is dropped; `RINGFENCE_KEEP=1` leaves it up, and says how to enter it.

mod ask;
mod capture;
pub mod cases;
mod frame;
mod keys;
mod talk;
mod tap;
mod upgrade;

pub use capture::Capture;
pub use frame::{Frame, Kind};
pub use talk::{Talk, all_whole, finish, none_answered, unix_ms};
pub use tap::{Heard, Tap};

use anyhow::{Context, Result, bail, ensure};
use ringfence::status::{BackendStatus, StatusReport};
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A lab that is up.
pub struct Lab {
    name: String,
    binary: PathBuf,
    manifests: TempDir,
    captures: Cell<u32>,
}

impl Lab {
    /// Brings a lab up from one manifest text. `name` is part of its name, so that one can be told from another.
    pub fn up(name: &str, manifest: &str, arguments: &[&str]) -> Result<Self> {
        let lab = Self::new(name)?;
        let file = lab.manifests.path().join("cluster.yaml");
        fs::write(&file, manifest)?;
        lab.begin(&file, arguments)?;
        Ok(lab)
    }

    /// Brings a lab up from a directory of manifests.
    pub fn of(name: &str, directory: &Path, arguments: &[&str]) -> Result<Self> {
        let lab = Self::new(name)?;
        lab.begin(directory, arguments)?;
        Ok(lab)
    }

    fn new(name: &str) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            name: format!("{name}-{}-{number}", std::process::id()),
            binary: binary()?,
            manifests: tempfile::tempdir()?,
            captures: Cell::new(0),
        })
    }

    fn begin(&self, manifests: &Path, arguments: &[&str]) -> Result<()> {
        eprintln!("enter with: {} lab exec --name {} TARGET -- CMD", self.binary.display(), self.name);
        let path = manifests.to_string_lossy().into_owned();
        let named = arguments.contains(&"--wireguard");
        let chosen = std::env::var("RINGFENCE_WIREGUARD").ok().filter(|_| !named);
        let wireguard = chosen.as_deref().map(|backend| ["--wireguard", backend]);
        let wireguard = wireguard.as_ref().map_or(&[][..], |words| &words[..]);
        self.lab(&["up"], &[wireguard, arguments, &[&path]].concat())?;
        if chosen.as_deref() == Some("kernel") { self.encrypts_by_the_kernel() } else { Ok(()) }
    }

    /// An error unless every agent says so: a test of the kernel's WireGuard must not pass by another.
    fn encrypts_by_the_kernel(&self) -> Result<()> {
        let nodes = self.state()?.nodes;
        ensure!(nodes.iter().any(|node| node.up), "the lab {} has no node", self.name);
        for node in nodes.into_iter().filter(|node| node.up) {
            let backend = self.status(&node.name)?.mesh.backend;
            ensure!(backend == BackendStatus::Kernel, "{} encrypts by {backend:?}", node.name);
        }
        Ok(())
    }

    fn ringfence(&self, arguments: &[&str]) -> Result<String> {
        said(Command::new(&self.binary).arg("lab").args(arguments).stdin(Stdio::null()).output()?, arguments)
    }

    /// `ringfence lab VERB... --name THIS ARGUMENTS`.
    pub fn lab(&self, verb: &[&str], arguments: &[&str]) -> Result<String> {
        self.ringfence(&[verb, &["--name", &self.name], arguments].concat())
    }

    /// `ringfence lab VERB... ARGUMENTS`, however it ends.
    pub fn try_lab(&self, verb: &[&str], arguments: &[&str]) -> Result<Output> {
        Ok(Command::new(&self.binary).arg("lab").args(verb).args(arguments).stdin(Stdio::null()).output()?)
    }

    /// Adds or replaces objects.
    pub fn apply(&self, manifest: &str) -> Result<()> {
        let file = self.manifests.path().join("apply.yaml");
        fs::write(&file, manifest)?;
        self.lab(&["apply"], &["-f", &file.to_string_lossy()]).map(drop)
    }

    fn exec(&self, target: &str, command: &[&str]) -> Command {
        let mut exec = Command::new(&self.binary);
        exec.args(["lab", "exec", "--name", &self.name, target, "--"]).args(command).stdin(Stdio::null());
        exec
    }

    /// Runs a shell script inside; what it printed, or an error if it failed.
    pub fn shell(&self, target: &str, script: &str) -> Result<String> {
        said(self.exec(target, &["sh", "-c", script]).output()?, &[target, script])
    }

    /// Whether a shell script inside succeeds.
    pub fn succeeds(&self, target: &str, script: &str) -> Result<bool> {
        Ok(self.exec(target, &["sh", "-c", script]).output()?.status.success())
    }

    /// Starts a command inside that goes on until it is killed or ends.
    pub fn spawn(&self, target: &str, command: &[&str]) -> Result<Child> {
        Ok(self.exec(target, command).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?)
    }

    /// What a node's agent says of itself.
    pub fn status(&self, node: &str) -> Result<StatusReport> {
        let binary = self.binary.to_string_lossy();
        // An agent on a busy or emulated machine may be slow to answer; how slow is not what is asked here.
        let timeout = ringfence::lab::patience(Duration::from_secs(20)).as_secs().to_string();
        let asked = [&*binary, "status", "-o", "json", "--timeout", &timeout];
        let output = self.exec(&format!("node/{node}"), &asked).output()?;
        Ok(serde_json::from_str(&said(output, &["status", node])?)?)
    }

    /// How many packets a node has dropped for a reason.
    pub fn drops(&self, node: &str, reason: &str) -> Result<u64> {
        Ok(self.status(node)?.drops.get(reason).copied().unwrap_or(0))
    }

    /// Where a pod is and the addresses it has, IPv4 first.
    pub fn pod(&self, name: &str) -> Result<(String, Vec<String>)> {
        // Its exit status says whether all is ready; here that does not matter.
        let asked = ["lab", "status", "--name", &self.name, "-o", "json"];
        let status = Command::new(&self.binary).args(asked).output()?;
        let status: serde_json::Value = serde_json::from_slice(&status.stdout)?;
        let pods = status["pods"].as_array().context("status has no pods")?;
        let pod = pods.iter().find(|p| p["name"] == name).with_context(|| format!("no pod {name}"))?;
        let addresses = pod["addresses"].as_array().context("no addresses")?;
        let addresses = addresses.iter().filter_map(|a| a.as_str().map(str::to_owned)).collect();
        Ok((pod["node"].as_str().unwrap_or_default().to_owned(), addresses))
    }

    /// Everything on the underlay's wires, from now on.
    pub fn capture(&self) -> Result<Capture> {
        self.capture_on("underlay", "br0")
    }

    /// Everything on a device inside, from now on.
    pub fn capture_on(&self, target: &str, device: &str) -> Result<Capture> {
        // A file of its own: killing `exec` does not end what runs inside, which writes on until the lab is gone.
        let file = self
            .manifests
            .path()
            .join(format!("underlay-{}.pcap", self.captures.replace(self.captures.get() + 1)));
        let path = file.to_string_lossy().into_owned();
        let tcpdump = self
            .exec(target, &["tcpdump", "-U", "-n", "-i", device, "-s", "200", "-w", &path])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("tcpdump")?;
        Capture::started(tcpdump, file)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::env::var_os("RINGFENCE_KEEP").is_none()
            && let Err(e) = self.ringfence(&["down", "--name", &self.name])
        {
            eprintln!("the lab {} is not gone: {e:#}", self.name);
        }
    }
}

/// The binary under test: `RINGFENCE_BIN`, which `cargo xtask test` sets, else the one beside the tests' own.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("RINGFENCE_BIN") {
        return Ok(path.into());
    }
    let mut directory = std::env::current_exe()?;
    directory.pop();
    if directory.ends_with("deps") {
        directory.pop();
    }
    let path = directory.join("ringfence");
    ensure!(path.exists(), "{} is missing: cargo build -p ringfence, or set RINGFENCE_BIN", path.display());
    Ok(path)
}

fn said(output: Output, what: &[&str]) -> Result<String> {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{what:?}: {}: {}{out}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(out)
}

/// Asks until the answer is yes; an error that names `what` if that takes longer than `patience`.
///
/// On a machine that is slow in itself it may take longer (`RINGFENCE_LAB_PATIENCE`).
pub fn eventually(what: &str, patience: Duration, mut ask: impl FnMut() -> Result<bool>) -> Result<()> {
    let patience = ringfence::lab::patience(patience);
    let until = Instant::now() + patience;
    loop {
        if ask()? {
            return Ok(());
        }
        ensure!(Instant::now() < until, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A file of the repository's tests.
pub fn manifest(name: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests").join(name);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}
