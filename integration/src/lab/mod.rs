//! Labs as users have them, for tests: everything goes through the command line. Needs root.

mod capture;
mod frame;

pub use capture::{Capture, Captured};
pub use frame::{Frame, Kind};

use anyhow::{Context, Result, bail, ensure};
use ringfence::lab::status::LabStatus;
use ringfence::status::StatusReport;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A lab that is taken away when dropped.
pub struct Lab {
    name: String,
}

impl Lab {
    /// Builds a lab of manifests (`ringfence lab up`), with more `arguments`.
    pub fn up(manifests: &[&Path], arguments: &[&str]) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let lab = Self { name: format!("test-{}-{number}", std::process::id()) };
        let manifests: Vec<&str> = manifests.iter().filter_map(|path| path.to_str()).collect();
        lab.run(&["up"], &[arguments, &manifests].concat())?;
        Ok(lab)
    }

    /// The same, of one text of manifests.
    pub fn of(manifests: &str, arguments: &[&str]) -> Result<Self> {
        let directory = written(manifests)?;
        Self::up(&[directory.path()], arguments)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `ringfence lab SUBCOMMAND --name THIS ARGUMENTS`: what it printed.
    pub fn run(&self, subcommand: &[&str], arguments: &[&str]) -> Result<String> {
        let output = self.command(subcommand).args(arguments).stdin(Stdio::null()).output()?;
        succeeded(&format!("ringfence lab {subcommand:?} {arguments:?}"), output)
    }

    fn command(&self, subcommand: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.arg("lab").args(subcommand).args(["--name", &self.name]);
        command
    }

    /// A command inside (`lab exec`), not yet started.
    pub fn inside(&self, target: &str, command: &[&str]) -> Command {
        let mut exec = self.command(&["exec"]);
        exec.arg(target).arg("--").args(command);
        exec
    }

    /// Runs a command inside; what it printed. An exit status other than 0 is an error.
    pub fn exec(&self, target: &str, command: &[&str]) -> Result<String> {
        let output = self.inside(target, command).stdin(Stdio::null()).output()?;
        succeeded(&format!("{command:?} on {target}"), output)
    }

    /// The name with which `to` answers an HTTP request from inside, if it answers within `seconds`.
    pub fn http(&self, from: &str, to: std::net::SocketAddr, seconds: u32) -> Result<Option<String>> {
        let url = format!("http://{to}/");
        let seconds = seconds.to_string();
        let curl = ["curl", "--silent", "--globoff", "--max-time", &seconds, &url];
        let output = self.inside(from, &curl).stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        // 7: no connection; 28: too late (curl(1)). Everything else is no answer about the network.
        match output.status.code() {
            Some(0) => Ok(Some(said)),
            Some(7 | 28) => Ok(None),
            code => bail!("curl on {from}: {code:?} {}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// Adds or replaces objects and waits until that is enforced.
    pub fn apply(&self, manifests: &str) -> Result<()> {
        let directory = written(manifests)?;
        self.run(&["apply"], &["-f", directory.path().to_str().context("a path that is no text")?]).map(drop)
    }

    /// How it is.
    pub fn status(&self) -> Result<LabStatus> {
        // Exit code 3 says that something is not ready; the report is there all the same.
        let output = self.command(&["status"]).args(["-o", "json"]).output()?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("lab status: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// What a node's agent reports.
    pub fn report(&self, node: &str) -> Result<StatusReport> {
        let target = format!("node/{node}");
        let output = self.inside(&target, &["ringfence", "status", "-o", "json"]).output()?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("status of {node}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Answers of the engine `lab` in this lab, which is made to hold these manifests.
    pub fn verdicts(&self, manifests: &Path, queries: &Path) -> Result<Vec<Value>> {
        let mut command = Command::new(binary());
        command.args(["policy", "verdicts", "--engine", "lab", "--lab", &self.name, "--manifests"]);
        let output = command.arg(manifests).arg("--queries").arg(queries).output()?;
        let text = succeeded(&format!("verdicts of {}", manifests.display()), output)?;
        text.lines().map(|line| serde_json::from_str(line).context("an answer")).collect()
    }

    /// Begins to listen on the underlay.
    pub fn capture(&self) -> Result<Capture<'_>> {
        Capture::start(self)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() || std::env::var_os("RF_KEEP_LOGS").is_some() {
            self.print_logs();
        }
        if let Err(e) = self.run(&["down"], &[]) {
            eprintln!("{e:#}");
        }
    }
}

impl Lab {
    fn print_logs(&self) {
        let Ok(status) = self.status() else { return };
        for entry in std::fs::read_dir(status.logs).into_iter().flatten().flatten() {
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let last: Vec<&str> = text.lines().rev().take(40).collect();
            if !last.is_empty() {
                let last: Vec<&str> = last.into_iter().rev().collect();
                eprintln!("--- {}\n{}", entry.path().display(), last.join("\n"));
            }
        }
    }
}

/// Manifests in a directory of their own, for as long as it is kept.
pub fn written(manifests: &str) -> Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    std::fs::write(directory.path().join("all.yaml"), manifests)?;
    Ok(directory)
}

/// The binary under test: `RINGFENCE_BIN`, else the one beside the tests' own.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("RINGFENCE_BIN") {
        return path.into();
    }
    let mut directory = std::env::current_exe().unwrap_or_default();
    directory.pop();
    if directory.ends_with("deps") {
        directory.pop();
    }
    directory.join("ringfence")
}

fn succeeded(what: &str, output: Output) -> Result<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{what}: {}: {}", output.status, text(&output.stderr));
    Ok(text(&output.stdout))
}
