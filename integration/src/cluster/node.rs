//! One node: a machine, its addresses, its agent.
use super::machine::Machine;
use super::{Pod, cni, eventually};
use crate::lab::binary;
use anyhow::{Context, Result, ensure};
use ringfence::status::StatusReport;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

/// A node of a [`Cluster`](super::Cluster).
pub struct Node {
    /// `node-0` and on.
    pub name: String,
    /// The machine it is.
    pub machine: Machine,
    /// More arguments for its agent.
    pub arguments: Vec<String>,
    pub(super) number: u8,
    dir: PathBuf,
    agent: Option<Child>,
}

impl Node {
    pub(super) fn new(number: u8, machine: Machine, cluster: &Path) -> Result<Self> {
        let name = format!("node-{number}");
        let dir = cluster.join(&name);
        fs::create_dir(&dir)?;
        let arguments = vec!["--wireguard".to_owned(), "userspace".to_owned()];
        Ok(Self { name, machine, number, dir, agent: None, arguments })
    }

    pub(super) fn manifest(&self) -> String {
        let Self { number: n, name, .. } = self;
        format!(
            "apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\nspec:\n  podCIDRs: [10.64.{n}.0/24, \"fd00:64:{n}::/64\"]\n\
             status:\n  addresses:\n  - {{type: InternalIP, address: {}}}\n  - {{type: InternalIP, address: \"{}\"}}\n",
            self.ipv4(),
            self.ipv6()
        )
    }

    /// Its underlay address.
    pub fn ipv4(&self) -> String {
        format!("192.0.2.{}", self.number + 10)
    }

    /// Its underlay address.
    pub fn ipv6(&self) -> String {
        format!("2001:db8::{:x}", self.number + 10)
    }

    pub(super) fn configure(&self) -> Result<()> {
        for line in [
            format!("addr add {}/24 dev eth0", self.ipv4()),
            format!("addr add {}/64 dev eth0 nodad", self.ipv6()),
            "link set eth0 up".to_owned(),
        ] {
            self.machine.run(None, "ip", &line.split(' ').collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Starts its agent.
    pub fn start_agent(&mut self, manifests: &Path) -> Result<()> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut arguments = vec![
            "agent".to_owned(),
            "--node".to_owned(),
            self.name.clone(),
            "--source".to_owned(),
            format!("dir:{}", manifests.display()),
            "--state-dir".to_owned(),
            text(self.state_dir()),
            "--cluster-cidr".to_owned(),
            "10.64.0.0/16".to_owned(),
            "--cluster-cidr".to_owned(),
            "fd00:64::/32".to_owned(),
            "--flow-entries".to_owned(),
            "8192".to_owned(),
        ];
        arguments.extend(self.arguments.iter().cloned());
        let child = self.machine.spawn(None, &text(binary()?), &arguments, &self.dir.join("agent.log"))?;
        self.agent = Some(child);
        Ok(())
    }

    /// Kills its agent with SIGKILL: the child of nsenter, which lives in the machine's PID namespace.
    pub fn kill_agent(&mut self) -> Result<()> {
        self.signal("KILL")
    }

    /// Asks its agent to stop, and waits for it.
    pub fn stop_agent(&mut self) -> Result<()> {
        self.signal("TERM")
    }

    fn signal(&mut self, name: &str) -> Result<()> {
        let mut child = self.agent.take().context("no agent runs")?;
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id()))?;
        // nsenter forks into the PID namespace; without that it has become the agent itself.
        let agent: u32 = children.split_whitespace().next().map_or(Ok(child.id()), str::parse)?;
        let status = Command::new("kill").args(["-s", name, &agent.to_string()]).status()?;
        ensure!(status.success(), "kill -s {name} {agent}");
        child.wait()?;
        Ok(())
    }

    /// What its agent reports.
    pub fn status(&self) -> Result<StatusReport> {
        let binary = binary()?;
        // Exit code 3 says "not ready"; the report is there all the same.
        let out =
            self.machine.command(None, &binary.to_string_lossy()).args(["status", "-o", "json"]).output()?;
        serde_json::from_slice(&out.stdout)
            .with_context(|| format!("{}: {}", self.name, String::from_utf8_lossy(&out.stderr)))
    }

    /// Runs the binary on the node to its end; what it printed.
    pub fn ringfence(&self, arguments: &[&str]) -> Result<String> {
        self.machine.run(None, &binary()?.to_string_lossy(), arguments)
    }

    /// Waits until its agent is ready.
    pub fn wait_ready(&self, deadline: Duration) -> Result<()> {
        eventually(deadline, "readiness", || {
            let report = self.status()?;
            ensure!(report.ready, "waiting for {:?}; {:?}", report.waiting_for, report.errors);
            Ok(())
        })
        .with_context(|| format!("{}:\n{}", self.name, self.log()))
    }

    /// Attaches a pod by CNI ADD of ptp and `ringfence`.
    pub fn add_pod(&self, namespace: &str, name: &str) -> Result<Pod> {
        let netns = self.sandbox(namespace, name)?;
        cni::add(self, namespace, name, netns)
    }

    /// Only a pod's network namespace, so that something can already run in it; its path.
    pub fn sandbox(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        cni::sandbox(self, namespace, name)
    }

    /// Attaches a pod whose namespace [`Node::sandbox`] has made.
    pub fn attach(&self, namespace: &str, name: &str, netns: PathBuf) -> Result<Pod> {
        cni::add(self, namespace, name, netns)
    }

    /// Detaches a pod by CNI DEL of both, last first.
    pub fn delete_pod(&self, pod: &Pod) -> Result<()> {
        cni::delete(self, pod)
    }

    /// CNI CHECK of our plugin.
    pub fn check_pod(&self, pod: &Pod) -> Result<()> {
        cni::check(self, pod)
    }

    /// What its agent has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("agent.log")).unwrap_or_default()
    }

    /// Its agent's state directory.
    pub fn state_dir(&self) -> PathBuf {
        self.dir.join("state")
    }

    pub(super) fn ipam_dir(&self) -> PathBuf {
        self.dir.join("ipam")
    }
}
