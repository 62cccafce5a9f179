//! A whole agent on a node of a made-up cluster: what it is told stands in a directory, its pods are attached by CNI.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use aya::maps::{Array, Map, MapData};
use ringfence::apply::bpf::Pins;
use ringfence::model::Pod;
use ringfence_abi::{Config, names};
use serde_json::{Value, json};

use super::cluster::{Cluster, HERE};
use super::manifests;
use super::netns::Netns;

/// An agent, until it is dropped; then everything that it made is gone.
pub(crate) struct Agent {
    binary: PathBuf,
    /// Its unshare(1), which takes the agent and what that started with it.
    process: Child,
    node: Netns,
    _wire: Netns,
    pins: PathBuf,
    /// Everything on disk.
    directory: tempfile::TempDir,
}

impl Agent {
    /// Starts one on [`HERE`]; returns once it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub(crate) fn start(binary: &Path, cluster: &Cluster, pins: &Path) -> Result<Self> {
        let directory = tempfile::tempdir().context("making a directory")?;
        let source = directory.path().join("source");
        for part in [&source, &directory.path().join("state"), &directory.path().join("run")] {
            std::fs::create_dir(part).with_context(|| format!("making {}", part.display()))?;
        }
        manifests::write(cluster, &source)?;
        let (node, wire) = (Netns::new()?, Netns::new()?);
        node.ip(&format!(
            "link add eth0 type veth peer name eth0 netns {}\nlink set lo up\nlink set eth0 up\n\
             address add 172.16.0.1/16 dev eth0\n",
            wire.path()
        ))?;
        wire.ip("link set eth0 up\n")?;
        let log = std::fs::File::create(directory.path().join("log")).context("making a log")?;
        let mut command = Command::new("unshare");
        // With a /run of its own, and as the first process of a namespace that ends with it.
        command
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"])
            .arg("mount -t tmpfs tmpfs /run && exec \"$@\"")
            .arg("agent")
            .arg(binary)
            .args(["agent", "--node", HERE, "--wireguard", "userspace", "--cluster-cidr", "10.64.0.0/10"])
            .arg("--source")
            .arg(format!("dir:{}", source.display()))
            .arg("--state-dir")
            .arg(directory.path().join("state"))
            .arg("--run-dir")
            .arg(directory.path().join("run"))
            .arg("--bpffs")
            .arg(pins)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("sharing the log")?)
            .stderr(log)
            .process_group(0);
        let process = node.within(|| command.spawn().context("starting unshare"))?;
        let agent =
            Self { binary: binary.to_owned(), process, node, _wire: wire, pins: pins.to_owned(), directory };
        agent.wait_until_ready()?;
        Ok(agent)
    }

    fn wait_until_ready(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            let mut status = Command::new(&self.binary);
            status.args(["status", "-o", "json", "--run-dir"]).arg(self.directory.path().join("run"));
            let output = status.output().context("asking for the status")?;
            if output.status.success() {
                return Ok(());
            }
            if began.elapsed() > Duration::from_secs(120) {
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(10).collect();
                bail!("the agent did not become ready: {said}{}", tail.join("\n"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Where its manifests of a kind and namespace are.
    pub(crate) fn manifest(&self, kind: &str, namespace: &str) -> PathBuf {
        self.directory.path().join(format!("source/{kind}.{namespace}.json"))
    }

    /// Makes a veth for a pod, and calls our plugin as a runtime would; how long the plugin took.
    ///
    /// # Errors
    /// When it refuses.
    pub(crate) fn attach(&self, pod: &Pod, number: usize) -> Result<Duration> {
        let (host, inside) = (format!("pod{number}"), format!("in{number}"));
        self.node.ip(&format!("link add {host} type veth peer name {inside}\nlink set {host} up\n"))?;
        let addresses: Vec<Value> =
            pod.addresses.iter().map(|ip| json!({"interface": 1, "address": format!("{ip}/32")})).collect();
        let config = json!({
            "cniVersion": "1.0.0", "name": "ringfence", "type": "ringfence",
            "socket": self.directory.path().join("run").join(ringfence::control::SOCKET),
            "stateDir": self.directory.path().join("state"),
            "prevResult": {
                "cniVersion": "1.0.0",
                "interfaces": [{"name": host}, {"name": "eth0", "sandbox": "/run/netns/none"}],
                "ips": addresses,
            },
        });
        let args = format!(
            "K8S_POD_NAMESPACE={};K8S_POD_NAME={};K8S_POD_UID={}",
            pod.name.namespace, pod.name.name, pod.uid
        );
        let mut plugin = Command::new(&self.binary);
        plugin
            .arg("cni")
            .env("CNI_COMMAND", "ADD")
            .env("CNI_CONTAINERID", format!("container{number}"))
            .env("CNI_IFNAME", "eth0")
            .env("CNI_NETNS", "/run/netns/none")
            .env("CNI_PATH", "/usr/lib/cni")
            .env("CNI_ARGS", args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let began = Instant::now();
        let mut child = plugin.spawn().context("starting the plugin")?;
        let mut stdin = child.stdin.take().context("the input was not piped")?;
        stdin.write_all(config.to_string().as_bytes()).context("telling the plugin")?;
        drop(stdin);
        let Output { status, stdout, stderr } = child.wait_with_output().context("waiting for the plugin")?;
        let took = began.elapsed();
        let said = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).join(" ");
        ensure!(status.success(), "CNI ADD of {}: {status}: {said}", pod.name);
        Ok(took)
    }

    /// The agent's own process, and how much memory it has: resident now, and at most so far, bytes.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn memory(&self) -> Result<(u64, u64)> {
        let of = self.process.id();
        let children = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children"))
            .context("looking for the agent's process")?;
        let pid = children.split_whitespace().next().context("the agent is gone")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the agent is gone")?;
        // proc(5): in kB.
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
        };
        Ok((field("VmRSS:").context("no VmRSS")?, field("VmHWM:").context("no VmHWM")?))
    }

    /// The configuration that its programs read, newest set of tables first.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn config(&self) -> Result<Array<MapData, Config>> {
        let pins = Pins::existing(&self.pins).context("the agent has pinned nothing")?;
        let set = pins.sets()?.last().copied().context("there is no set of tables")?;
        Ok(Map::from_map_data(MapData::from_pin(pins.set(set).join(names::CONFIG))?)?.try_into()?)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // What it started dies with its namespaces. Failing that, there is nobody left to tell.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(pins) = Pins::existing(&self.pins) {
            let _ = pins.remove_all();
        }
    }
}
