//! Nodes' agents: one process each, started, ended and asked as on a real node.
use super::machine::Machine;
use super::namespaces::Depth;
use super::{Lab, LabError, parallel, patience};
use crate::control::{Reply, Request, SOCKET, exchange};
use crate::model::SourceVersion;
use crate::status::StatusReport;
use crate::watch::directory;
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long an agent may take to stop by itself.
const DRAIN: Duration = Duration::from_secs(20);
/// Between that many reports it is looked whether the cluster's directory still is what was waited for.
const LOOK: u32 = 8;
/// How long an agent's report is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

impl Lab {
    /// Starts a node's agent, unless it runs. Does not wait for it.
    ///
    /// # Errors
    /// If the node is down, or the agent's binary does not start.
    pub fn start_agent(&mut self, node: &str, binary: Option<&Path>) -> Result<(), LabError> {
        if self.agent_runs(node) {
            return Ok(());
        }
        let dir = self.node_dir(node);
        let mut command = Command::new(binary.unwrap_or(&self.agent));
        command
            .args(["agent", "--node", node, "--source"])
            .arg(format!("dir:{}", self.source().display()))
            .arg("--state-dir")
            .arg(dir.join("state"))
            .arg("--cni-conf-dir")
            .arg(dir.join("cni/net.d"))
            .args(&self.agent_arguments);
        let log = self.log(node, "agent");
        let (process, _) = self.machine(node)?.daemon(Depth::Machine, &command, &log, false)?;
        if let Some(binary) = binary {
            // Whatever a CNI runtime calls is the same program, as after an upgrade.
            self.link_plugin(node, binary)?;
        }
        self.node_mut(node)?.agent = Some(process);
        self.save()
    }

    /// Ends a node's agent: at once (SIGKILL) or as `stop` does (SIGTERM), and waits for its end.
    ///
    /// # Errors
    /// If it does not stop in time.
    pub fn end_agent(&mut self, node: &str, at_once: bool) -> Result<(), LabError> {
        let log = self.log(node, "agent");
        let Some(agent) = self.node_mut(node)?.agent.take() else { return Ok(()) };
        agent.signal(if at_once { Signal::SIGKILL } else { Signal::SIGTERM });
        if !agent.ends_within(patience::patience(DRAIN)) {
            let what = format!("the agent of {node} to stop");
            return Err(LabError::Timeout { what, seconds: patience::seconds(DRAIN.as_secs()), log });
        }
        self.save()
    }

    /// Whether a node's agent runs.
    pub fn agent_runs(&self, node: &str) -> bool {
        self.nodes.get(node).and_then(|n| n.agent).is_some_and(|agent| agent.alive())
    }

    /// Asks a node's agent for its report.
    ///
    /// # Errors
    /// [`LabError::Refused`] if it gives none.
    pub fn report(&self, node: &str) -> Result<StatusReport, LabError> {
        let refused = |why: String| LabError::Refused { what: format!("the status of node {node}"), why };
        // The socket as the host finds it: in the machine's own /run.
        let socket = in_machine(self.machine(node)?, Path::new("/run/ringfence")).join(SOCKET);
        match exchange(&socket, &Request::Status, patience::patience(PATIENCE)) {
            Ok(Reply::Report(report)) => Ok(*report),
            Ok(other) => Err(refused(format!("the agent answered {other:?}"))),
            Err(e) => Err(refused(e.to_string())),
        }
    }

    /// Waits until every running agent is ready, has formed the mesh with all others it accepts, and enforces exactly what
    /// the cluster's directory holds, what agents have published there included.
    ///
    /// # Errors
    /// [`LabError::Timeout`] after `seconds` (on a slow machine more), naming who is late and with what;
    /// [`LabError::Manifests`] if the directory cannot be read.
    pub fn settle(&self, seconds: u64) -> Result<(), LabError> {
        let seconds = patience::seconds(seconds);
        let until = Instant::now() + Duration::from_secs(seconds);
        loop {
            let version = directory::version(&self.source())?;
            let running: Vec<&String> = self.nodes.keys().filter(|node| self.agent_runs(node)).collect();
            let count = running.len().max(1);
            let settled = parallel::map(running, count, |node| {
                self.settle_node(node, version, until)?.map_or(Ok(()), |late| {
                    let what = format!("the agent of {node} ({late})");
                    Err(LabError::Timeout { what, seconds, log: self.log(node, "agent") })
                })
            });
            LabError::all(settled)?;
            // An agent that published meanwhile has changed what all shall enforce.
            if directory::version(&self.source())? == version {
                return Ok(());
            }
        }
    }

    /// What a node's agent still lacks when the time is up; `None`: nothing, from before then, or the directory no longer
    /// is at this version.
    fn settle_node(
        &self,
        node: &str,
        version: SourceVersion,
        until: Instant,
    ) -> Result<Option<String>, LabError> {
        for round in 1u32.. {
            let late = match self.report(node) {
                Ok(report) => self.late(node, &report, version),
                Err(e) => Some(e.to_string()),
            };
            match late {
                None => return Ok(None),
                Some(late) if Instant::now() > until => return Ok(Some(late)),
                Some(_) => {}
            }
            if !self.agent_runs(node) {
                let why = format!("it has ended by itself; see {}", self.log(node, "agent").display());
                return Err(LabError::Refused { what: format!("the agent of {node}"), why });
            }
            std::thread::sleep(Duration::from_millis(15));
            if round.is_multiple_of(LOOK) && directory::version(&self.source())? != version {
                break;
            }
        }
        Ok(None)
    }

    /// What a report still lacks; `None`: nothing.
    fn late(&self, node: &str, report: &StatusReport, version: SourceVersion) -> Option<String> {
        if !report.ready {
            return Some(format!("not ready, waiting for {}", report.waiting_for.join(", ")));
        }
        let enforced = report.enforcement.enforced_version.as_deref().unwrap_or("none");
        if enforced != version.to_string() {
            return Some(format!("enforces version {enforced} of its source, which is at {version}"));
        }
        // Only nodes whose agents have ever published can be peers.
        let others = self.nodes.iter().filter(|(other, n)| *other != node && n.agent.is_some());
        for plane in &report.mesh.planes {
            let has = |other: &String| plane.peers.iter().any(|peer| peer.node == *other);
            let refused = |other: &String| report.refused_nodes.contains_key(other);
            if let Some((missing, _)) = others.clone().find(|(other, _)| !has(other) && !refused(other)) {
                return Some(format!("{missing} is not yet a peer on {}", plane.device));
            }
        }
        None
    }

    /// Runs `ringfence guard` on a node, as a unit would at boot.
    pub(super) fn guard(&self, node: &str) -> Result<(), LabError> {
        let mut command = Command::new(&self.agent);
        command.arg("guard").arg("--state-dir").arg(self.node_dir(node).join("state"));
        self.machine(node)?.run(Depth::Machine, &mut command, "").map(drop)
    }

    /// What a CNI runtime finds under our name is the binary itself.
    pub(super) fn link_plugin(&self, node: &str, binary: &Path) -> Result<(), LabError> {
        let link = self.node_dir(node).join("cni/bin/ringfence");
        match std::fs::remove_file(&link) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(LabError::file("replace", &link)(e));
            }
            _ => {}
        }
        std::os::unix::fs::symlink(binary, &link).map_err(LabError::file("make", &link))
    }
}

/// A path of a machine as the host finds it (proc(5), `/proc/PID/root`).
pub(super) fn in_machine(machine: &Machine, path: &Path) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", machine.init.pid));
    root.join(path.strip_prefix("/").unwrap_or(path))
}
