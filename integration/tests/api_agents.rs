//! Agents whose objects come from a real API server, and who publish there: two nodes, without kubelets.
use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ringfence_integration::api::ApiServer;
use ringfence_integration::netns::{Netns, Underlay, eventually};
use serde_json::{Value, json};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Longer than anything takes.
const LIMIT: Duration = Duration::from_secs(90);

/// A node of which only the agent runs.
struct Node {
    name: &'static str,
    namespace: Netns,
    directory: TempDir,
    agent: Option<Child>,
    kubeconfig: PathBuf,
}

impl Node {
    fn new(api: &ApiServer, underlay: &Underlay, name: &'static str, host: u8) -> Result<Self> {
        let namespace = Netns::new(name)?;
        let address = format!("192.0.2.{host}");
        underlay.attach(&namespace, name, &[&format!("{address}/24")])?;
        api.agent(name, &address, &format!("10.{host}.0.0/24"))?;
        let (directory, kubeconfig) = (TempDir::new()?, api.kubeconfig());
        Ok(Self { name, namespace, directory, agent: None, kubeconfig })
    }

    fn start(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.directory.path().join("log"))?;
        let mut command = self.namespace.command(&binary()?);
        command.args(["agent", "--node", self.name, "--source", "kube", "--rotate-every", "0"]);
        command
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(["--context", &format!("agent-{}", self.name)]);
        for (option, place) in [("--state-dir", "state"), ("--run-dir", "run"), ("--bpffs", "bpf")] {
            command.arg(option).arg(self.directory.path().join(place));
        }
        command.args(["--cluster-cidr", "10.0.0.0/8"]).stdout(log.try_clone()?).stderr(log);
        self.agent = Some(command.spawn().context("starting the agent")?);
        Ok(())
    }

    /// Ends the agent as an update would.
    fn stop(&mut self) -> Result<()> {
        if let Some(mut agent) = self.agent.take() {
            kill(Pid::from_raw(agent.id().cast_signed()), Signal::SIGTERM)?;
            agent.wait()?;
        }
        Ok(())
    }

    /// From here on this machine seems to have been booted anew.
    fn reboot(&self) -> Result<()> {
        let boot = self.directory.path().join("boot_id");
        std::fs::write(&boot, "another\n")?;
        let line = format!("mount --bind {} /proc/sys/kernel/random/boot_id", boot.display());
        self.namespace.run(&line).map(drop)
    }

    /// What the agent says of itself.
    fn status(&self) -> Result<Value> {
        let mut command = self.namespace.command(&binary()?);
        command.arg("status").arg("--run-dir").arg(self.directory.path().join("run")).args(["-o", "json"]);
        let output = command.stderr(Stdio::null()).output()?;
        serde_json::from_slice(&output.stdout).context("no status")
    }

    /// Waits until the agent's status is so.
    fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<()> {
        let said =
            eventually(&format!("{}: {what}", self.name), LIMIT, || self.status().is_ok_and(|s| wanted(&s)));
        said.map(drop).with_context(|| {
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            let end: Vec<&str> = log.lines().rev().take(15).collect();
            format!("{:?}\n{}", self.status().ok(), end.into_iter().rev().collect::<Vec<_>>().join("\n"))
        })
    }
}

fn binary() -> Result<String> {
    std::env::var("RINGFENCE_BIN").context("RINGFENCE_BIN names no agent: run `cargo xtask test api`")
}

fn is_ready(status: &Value) -> bool {
    status["ready"] == true
}

/// Peers that something was received from, on the plane in use.
fn meshed(status: &Value) -> bool {
    let planes = status["mesh"]["planes"].as_array().cloned().unwrap_or_default();
    let active = planes.iter().find(|plane| plane["active"] == true);
    active.is_some_and(|plane| {
        let peers = plane["peers"].as_array().cloned().unwrap_or_default();
        peers.len() == 1 && peers.iter().all(|peer| !peer["handshakeSeconds"].is_null())
    })
}

fn names_api_server(status: &Value) -> bool {
    let problems = status["problems"].as_array().cloned().unwrap_or_default();
    problems.iter().any(|problem| problem["kind"] == "API server")
}

fn published(api: &ApiServer, node: &str, field: &str) -> Option<Value> {
    let text = api.kubectl("admin", &["get", "ringfencenode", node, "-o", "json"], "").ok()?;
    serde_json::from_str::<Value>(&text).ok()?.pointer(field).cloned()
}

#[test]
fn agents_form_a_mesh_and_rotate_its_keys_through_the_api_and_bear_its_absence() -> Result<()> {
    let mut api = ApiServer::start("api")?;
    let underlay = Underlay::new("agents")?;
    underlay.attach(api.namespace(), "api", &["192.0.2.250/24"])?;
    let mut one = Node::new(&api, &underlay, "n1", 7)?;
    let mut two = Node::new(&api, &underlay, "n2", 8)?;
    one.start()?;
    two.start()?;
    for node in [&one, &two] {
        node.until("ready", is_ready)?;
        node.until("meshed", meshed)?;
        let told = || published(&api, node.name, "/status/wireguard").is_some();
        eventually(&format!("{} says how it is", node.name), LIMIT, told)?;
        ensure!(published(&api, node.name, "/metadata/ownerReferences/0/kind") == Some(json!("Node")));
    }

    // Somebody wants other keys: an agent raises the epoch, both follow, both say so.
    let rotation = json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "RingfenceRotation",
                          "metadata": {"name": "all"}, "spec": {"from": 0}});
    api.kubectl("admin", &["create", "-f", "-"], &rotation.to_string())?;
    for node in ["n1", "n2"] {
        let raised = || published(&api, node, "/spec/epoch") == Some(json!(1));
        eventually(&format!("{node} publishes epoch 1"), LIMIT, raised)?;
    }
    two.until("meshed by the new keys", |status| status["mesh"]["epoch"] == 1 && meshed(status))?;

    // The API server is away: nothing changes, and it is said. An agent that starts meanwhile changes nothing either.
    api.stop()?;
    for node in [&one, &two] {
        node.until("the API server is missed", |status| {
            names_api_server(status) && is_ready(status) && meshed(status)
        })?;
    }
    two.stop()?;
    two.start()?;
    two.until("started, and waiting", |status| names_api_server(status) && !is_ready(status))?;
    one.until("still meshed", meshed)?;
    // After a boot there is nothing in the kernel to keep, so it starts from what it knew.
    two.stop()?;
    two.reboot()?;
    two.start()?;
    two.until("ready from what was known", |s| is_ready(s) && meshed(s) && names_api_server(s))?;
    api.resume()?;
    for node in [&one, &two] {
        node.until("well again", |status| is_ready(status) && meshed(status) && !names_api_server(status))?;
    }
    ensure!(published(&api, "n2", "/spec/epoch") == Some(json!(1)), "its keys were made anew");
    one.stop()?;
    two.stop()
}
