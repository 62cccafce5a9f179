//! The lab, through the command line that everybody has.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};
use ringfence_bootstrap::progress;
use serde_json::Value;

use super::page;

/// A lab by name.
#[derive(Debug)]
pub(super) struct Lab {
    ringfence: PathBuf,
    name: &'static str,
}

/// A pod of it.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    /// `namespace/name`.
    pub(super) name: String,
    pub(super) node: String,
    pub(super) addresses: Vec<String>,
    /// Protocol and number.
    pub(super) ports: Vec<(String, u16)>,
}

/// A node of it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) addresses: Vec<String>,
}

impl Lab {
    /// Of this binary.
    pub(super) fn new(ringfence: PathBuf, name: &'static str) -> Self {
        Self { ringfence, name }
    }

    /// Its name.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// `ringfence` with arguments.
    pub(super) fn ringfence(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.ringfence);
        command.args(arguments);
        command
    }

    /// `ringfence lab VERB --name NAME`.
    pub(super) fn lab(&self, verb: &str, arguments: &[&str]) -> Command {
        let mut command = self.ringfence(&["lab", verb, "--name", self.name]);
        command.args(arguments);
        command
    }

    /// `ringfence lab exec TARGET -- PROGRAM`.
    pub(super) fn exec(&self, target: &str, program: &[&str]) -> Command {
        let mut command = self.lab("exec", &[target, "--"]);
        command.args(program);
        command
    }

    /// Our own program, for where no node's is on the path.
    pub(super) fn program(&self) -> String {
        self.ringfence.display().to_string()
    }

    /// Builds it, with its progress on the terminal.
    ///
    /// # Errors
    /// When it does not come up.
    pub(super) fn up(&self, wireguard: &str, manifests: &Path) -> Result<()> {
        let mut command = self.lab("up", &["--wireguard", wireguard]);
        command.arg(manifests);
        page::prompt(&command);
        let status = command.status().context("starting ringfence")?;
        if !status.success() {
            bail!(
                "the lab did not come up; `ringfence lab down --name {}` removes what there is of it",
                self.name
            );
        }
        println!();
        Ok(())
    }

    /// Takes it away; without it, nothing happens.
    ///
    /// # Errors
    /// When something stays.
    pub(super) fn down(&self) -> Result<()> {
        output(&mut self.lab("down", &[])).map(drop)
    }

    /// Its nodes and pods.
    ///
    /// # Errors
    /// When there is no lab.
    pub(super) fn cast(&self) -> Result<(Vec<Node>, Vec<Pod>)> {
        let status = json(&mut self.lab("status", &["-o", "json"]))?;
        let nodes = list(&status["nodes"]).map(|node| Node {
            name: text(&node["name"]),
            addresses: list(&node["addresses"]).map(text).collect(),
        });
        let pods = list(&status["pods"]).map(|pod| Pod {
            name: text(&pod["name"]),
            node: text(&pod["node"]),
            addresses: list(&pod["addresses"]).map(text).collect(),
            ports: list(&pod["ports"]).filter_map(port).collect(),
        });
        Ok((nodes.collect(), pods.collect()))
    }

    /// What a node's agent reports.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) fn report(&self, node: &str) -> Result<Value> {
        json(&mut self.exec(&format!("node/{node}"), &["ringfence", "status", "-o", "json"]))
    }

    /// How many packets a node dropped for a reason.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub(super) fn dropped(&self, node: &str, reason: &str) -> Result<u64> {
        let report = self.report(node)?;
        report["drops"][reason].as_u64().with_context(|| format!("{node} does not count {reason}"))
    }
}

/// Runs a command to its end.
///
/// # Errors
/// When it fails, with what it said.
pub(super) fn output(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } =
        command.output().with_context(|| format!("starting {}", progress::show(command)))?;
    if !status.success() {
        bail!("{}: {status}: {}", progress::show(command), String::from_utf8_lossy(&stderr).trim());
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// The same with something to read.
///
/// # Errors
/// As [`output`].
pub(super) fn answer(command: &mut Command, question: &str) -> Result<String> {
    let shown = progress::show(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {shown}"))?;
    let mut stdin = child.stdin.take().context("the input was not piped")?;
    // Everything that is asked fits into a pipe; where the program ends early, its message says more.
    let _ = stdin.write_all(question.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().with_context(|| format!("waiting for {shown}"))?;
    if !output.status.success() {
        bail!("{shown}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn json(command: &mut Command) -> Result<Value> {
    let said = output(command)?;
    serde_json::from_str(&said).with_context(|| format!("reading what {} printed", progress::show(command)))
}

/// The elements of an array; none of anything else.
pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A string; empty of anything else.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// `TCP/8443`.
fn port(value: &Value) -> Option<(String, u16)> {
    let (protocol, number) = value.as_str()?.split_once('/')?;
    Some((protocol.to_owned(), number.parse().ok()?))
}
