//! Labs of two nodes with a pod each, through the command line.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Where the sink listens; policy allows it.
pub(crate) const PORT: u16 = 5201;
/// Where the pods answer too; policy does not allow it.
const FORBIDDEN: u16 = 5202;
const CLIENT: &str = "bench/client";
const SERVER: &str = "bench/server";
const SERVER_ADDRESS: &str = "10.244.2.10";
/// Two nodes, and two pods that are isolated in both directions but open to each other on one port.
const MANIFESTS: &str = r#"
{apiVersion: v1, kind: Node, metadata: {name: one}, spec: {podCIDRs: [10.244.1.0/24]}}
---
{apiVersion: v1, kind: Node, metadata: {name: two}, spec: {podCIDRs: [10.244.2.0/24]}}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: bench, labels: {app: client}}
spec: {nodeName: one, containers: [{name: main, image: example.com/client:1}]}
status: {podIPs: [{ip: 10.244.1.10}]}
---
apiVersion: v1
kind: Pod
metadata: {name: server, namespace: bench, labels: {app: server}}
spec: {nodeName: two, containers: [{name: main, image: example.com/server:1, ports: [{containerPort: 5202}]}]}
status: {podIPs: [{ip: 10.244.2.10}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: bench}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: client, namespace: bench}
spec:
  podSelector: {matchLabels: {app: client}}
  policyTypes: [Egress]
  egress: [{to: [{podSelector: {matchLabels: {app: server}}}], ports: [{port: 5201}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: server, namespace: bench}
spec:
  podSelector: {matchLabels: {app: server}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: 5201}]}]
"#;

/// A lab, until it is dropped.
pub(crate) struct Lab {
    binary: PathBuf,
    name: &'static str,
}

impl Lab {
    /// Builds it; one of that name that was left behind is taken away first.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn up(binary: &Path, name: &'static str) -> Result<Self> {
        let lab = Self { binary: binary.to_owned(), name };
        lab.run("down", &[])?;
        let directory = tempfile::tempdir().context("making a directory")?;
        let file = directory.path().join("manifests.yaml");
        std::fs::write(&file, MANIFESTS).context("writing manifests")?;
        let file = file.display().to_string();
        lab.run("up", &["--wireguard", "userspace", "--family", "v4", &file])?;
        Ok(lab)
    }

    /// Stops the agents and takes their programs off every device.
    ///
    /// # Errors
    /// When an agent does not stop.
    pub(crate) fn disarm(&self) -> Result<()> {
        for node in ["one", "two"] {
            let mut stop = Command::new(&self.binary);
            said(stop.args(["lab", "agent", "stop", "--name", self.name, node]))?;
            // A link is detached when its last pin is gone.
            let links = "rm -r /sys/fs/bpf/ringfence/links";
            // And the third lock, which looks at every packet that leaves.
            let script = format!("{links}; nft delete table inet ringfence-lock");
            self.run("exec", &[&format!("node/{node}"), "--", "sh", "-c", &script])?;
        }
        Ok(())
    }

    /// Whether a call that policy forbids gets through must be as said: else the labs are not what they are taken for.
    ///
    /// # Errors
    /// When it is otherwise.
    pub(crate) fn expect_reachable(&self, reachable: bool) -> Result<()> {
        let connect =
            format!("timeout 2 bash -c '</dev/tcp/{SERVER_ADDRESS}/{FORBIDDEN}' && echo yes || echo no");
        let answer = self.run("exec", &[CLIENT, "--", "sh", "-c", &connect])?;
        ensure!(
            answer.trim() == if reachable { "yes" } else { "no" },
            "in {} a forbidden call got through: {}",
            self.name,
            answer.trim()
        );
        Ok(())
    }

    /// Lets the server take streams.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn sink(&self) -> Result<Sink> {
        let (this, port) = (this()?, PORT.to_string());
        let mut command = self.command("exec", &[SERVER, "--", &this, "--sink", &port]);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting the sink")?;
        let stdout = child.stdout.take().context("its output was not piped")?;
        let sink = Sink(child);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).context("waiting for the sink")?;
        ensure!(line.trim() == "listening", "the sink does not listen: {line}");
        Ok(sink)
    }

    /// A stream from client to server, bits per second.
    ///
    /// # Errors
    /// When it breaks.
    pub(crate) fn stream(&self, seconds: u64) -> Result<f64> {
        let to = format!("{SERVER_ADDRESS}:{PORT}");
        let (this, seconds) = (this()?, seconds.to_string());
        let text = self.run("exec", &[CLIENT, "--", &this, "--blast", &to, "--seconds", &seconds])?;
        text.trim().parse().with_context(|| format!("{text:?} is no number of bits"))
    }

    fn command(&self, verb: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(["lab", verb, "--name", self.name]).args(arguments);
        command
    }

    fn run(&self, verb: &str, arguments: &[&str]) -> Result<String> {
        said(&mut self.command(verb, arguments)).with_context(|| format!("lab {verb} of {}", self.name))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // A lab that stays is taken away by the next run; there is nobody left to tell.
        let _ = self.run("down", &[]);
    }
}

/// The receiving end, until it is dropped.
pub(crate) struct Sink(Child);

impl Drop for Sink {
    fn drop(&mut self) {
        // What it started inside ends with the lab.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// This program, as others start it.
fn this() -> Result<String> {
    let path = std::env::current_exe().context("looking for this program itself")?;
    path.to_str().map(str::to_owned).context("the path of this program is no text")
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().context("starting ringfence")?;
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
