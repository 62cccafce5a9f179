//! A cluster of network namespaces for tests of the agent: real agents on machines of the lab, pods brought up by the
//! CNI plugins that a distribution ships and ours, sockets opened by the test inside pods. Needs root.

pub mod bank;
mod cni;
pub mod machine;
mod node;
mod pod;

pub use node::Node;
pub use pod::{Pod, in_netns};

use anyhow::{Context, Result, bail};
use machine::Machine;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nodes on one underlay, and the directory of manifests they all read.
pub struct Cluster {
    dir: TempDir,
    underlay: Machine,
    /// The nodes, `node-0` and on.
    pub nodes: Vec<Node>,
}

impl Cluster {
    /// Machines for `count` nodes, no agents yet. Node `i` has underlay addresses `192.0.2.(i+10)` and
    /// `2001:db8::(i+10 in hex)`, pod CIDRs `10.64.i.0/24` and `fd00:64:i::/64`.
    pub fn new(count: u8) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("rf-agent-").tempdir()?;
        fs::create_dir(dir.path().join("manifests"))?;
        let tag = dir.path().file_name().context("no name")?.to_string_lossy().into_owned();
        let underlay = start(dir.path(), "underlay", &tag)?;
        underlay.run(None, "ip", &["link", "add", "br0", "type", "bridge"])?;
        underlay.run(None, "ip", &["link", "set", "br0", "up"])?;
        let mut cluster = Self { dir, underlay, nodes: Vec::new() };
        for i in 0..count {
            let machine = start(cluster.dir.path(), &format!("node-{i}"), &tag)?;
            let node = Node::new(i, machine, cluster.dir.path())?;
            cluster.plug(&node)?;
            cluster.write(&format!("node-{i}.yaml"), &node.manifest())?;
            cluster.nodes.push(node);
        }
        Ok(cluster)
    }

    /// The device `eth0` of a node, with the other end on the underlay's bridge.
    fn plug(&self, node: &Node) -> Result<()> {
        let port = format!("port{}", node.number);
        // From outside the machines' PID namespaces, so that the node's process number means something.
        let inside = |arguments: &[&str]| -> Result<()> {
            let target = self.underlay.pid.to_string();
            let out = Command::new("nsenter").args(["-t", &target, "-n", "ip"]).args(arguments).output()?;
            if !out.status.success() {
                bail!("ip {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
            }
            Ok(())
        };
        let pid = node.machine.pid.to_string();
        inside(&["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &pid])?;
        inside(&["link", "set", &port, "master", "br0", "up"])?;
        node.configure()
    }

    /// Writes a file of manifests, whole or not at all.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let next = self.dir.path().join(name);
        fs::write(&next, text)?;
        Ok(fs::rename(next, self.manifests().join(name))?)
    }

    /// Removes a file of manifests.
    pub fn remove(&self, name: &str) -> Result<()> {
        Ok(fs::remove_file(self.manifests().join(name))?)
    }

    /// The directory of manifests.
    pub fn manifests(&self) -> PathBuf {
        self.dir.path().join("manifests")
    }

    /// Starts every node's agent and waits until all are ready.
    pub fn start_agents(&mut self) -> Result<()> {
        let manifests = self.manifests();
        self.nodes.iter_mut().try_for_each(|node| node.start_agent(&manifests))?;
        self.nodes.iter().try_for_each(|node| node.wait_ready(Duration::from_secs(30)))
    }

    /// The underlay's machine: what it sees is what an eavesdropper sees.
    pub fn underlay(&self) -> &Machine {
        &self.underlay
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() || std::env::var_os("RF_KEEP_LOGS").is_some() {
            self.nodes.iter().for_each(|node| eprintln!("--- agent of {}\n{}", node.name, node.log()));
        }
        self.nodes.iter().for_each(|node| node.machine.stop());
        self.underlay.stop();
    }
}

fn start(dir: &Path, name: &str, tag: &str) -> Result<Machine> {
    let (log, ready) = (dir.join(format!("{name}.log")), dir.join(format!("{name}.ready")));
    machine::start(name, tag, &log, &ready)
}

/// Polls until `check` holds.
///
/// # Errors
/// When it does not within `deadline`: with the last reason.
pub fn eventually(deadline: Duration, what: &str, mut check: impl FnMut() -> Result<()>) -> Result<()> {
    let until = Instant::now() + deadline;
    loop {
        match check() {
            Ok(()) => return Ok(()),
            Err(e) if Instant::now() > until => return Err(e).with_context(|| format!("never came: {what}")),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
