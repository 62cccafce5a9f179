//! Nodes' agents: one process each, started, ended and asked as on a real node.
use super::machine::Machine;
use super::namespaces::Depth;
use super::{Lab, LabError, parallel, patience};
use crate::control::{Reply, Request, SOCKET, exchange};
use crate::status::StatusReport;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long an agent may take to stop by itself.
const DRAIN: Duration = Duration::from_secs(20);
/// How long an agent's report is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// A cluster's change is through once nothing has come after it for this long on an idle machine; a busy one hears later.
const QUIET: Duration = Duration::from_millis(80);

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

    /// Waits until every running agent is ready, has formed the mesh with all others it accepts, and enforces what the
    /// cluster's directory says; `before` is what each wanted before the last change.
    ///
    /// # Errors
    /// [`LabError::Timeout`] after `seconds` (on a slow machine more), naming who is late and with what.
    pub fn settle(&self, before: &BTreeMap<String, u64>, seconds: u64) -> Result<(), LabError> {
        let seconds = patience::seconds(seconds);
        let until = Instant::now() + Duration::from_secs(seconds);
        let running: Vec<&String> = self.nodes.keys().filter(|node| self.agent_runs(node)).collect();
        let count = running.len().max(1);
        let settled = parallel::map(running, count, |node| {
            self.settle_node(node, before.get(node).copied(), until)?.map_or(Ok(()), |late| {
                let what = format!("the agent of {node} ({late})");
                Err(LabError::Timeout { what, seconds, log: self.log(node, "agent") })
            })
        });
        LabError::all(settled).map(drop)
    }

    /// What a node's agent still lacks when the time is up; `None`: nothing, from before then.
    fn settle_node(
        &self,
        node: &str,
        before: Option<u64>,
        until: Instant,
    ) -> Result<Option<String>, LabError> {
        let quiet = QUIET.mul_f64(1.0 + load_per_core());
        let mut settled: Option<(u64, Instant)> = None;
        loop {
            let late = match self.report(node) {
                Ok(report) => self.late(node, &report, before).map_or(Ok(report.enforcement.wanted), Err),
                Err(e) => Err(e.to_string()),
            };
            match (late, settled) {
                (Ok(wanted), Some((same, since))) if same == wanted => {
                    if since.elapsed() >= quiet {
                        return Ok(None);
                    }
                }
                (Ok(wanted), _) => settled = Some((wanted, Instant::now())),
                (Err(late), _) if Instant::now() > until => return Ok(Some(late)),
                (Err(_), _) => settled = None,
            }
            if !self.agent_runs(node) {
                let why = format!("it has ended by itself; see {}", self.log(node, "agent").display());
                return Err(LabError::Refused { what: format!("the agent of {node}"), why });
            }
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    /// What every running agent wants to enforce now.
    pub fn wanted(&self) -> BTreeMap<String, u64> {
        let wanted = |node: &String| Some((node.clone(), self.report(node).ok()?.enforcement.wanted));
        self.nodes.keys().filter(|node| self.agent_runs(node)).filter_map(wanted).collect()
    }

    /// What a report still lacks; `None`: nothing.
    fn late(&self, node: &str, report: &StatusReport, before: Option<u64>) -> Option<String> {
        if !report.ready {
            return Some(format!("not ready, waiting for {}", report.waiting_for.join(", ")));
        }
        let (wanted, enforced) = (report.enforcement.wanted, report.enforcement.enforced);
        if before.is_some_and(|before| wanted <= before) || enforced < wanted {
            return Some(format!("enforces revision {enforced} of {wanted}"));
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

/// Processes that want to run, for each core (proc(5), `/proc/loadavg`).
fn load_per_core() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    load / cores as f64
}
