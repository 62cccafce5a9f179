//! An agent's life: started twice, stopped, guarded before its start, uninstalled, on either kind of hook.
use anyhow::{Context, Result, ensure};
use ringfence_integration::cluster::{Cluster, Node, eventually};
use std::net::SocketAddr;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(400);

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {nodeName: node-0, containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {nodeName: node-0, containers: [{name: c, image: i}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}}
";

fn shell(node: &Node, script: &str) -> Result<String> {
    Ok(node.machine.run(None, "sh", &["-c", script])?.trim().to_owned())
}

#[test]
fn uninstall_leaves_nothing_of_us_on_the_node() -> Result<()> {
    for attach in ["tcx", "clsact"] {
        let mut cluster = Cluster::new(2)?;
        cluster.write("pods.yaml", PODS)?;
        cluster.nodes[0].arguments.extend(["--attach".to_owned(), attach.to_owned()]);
        cluster.start_agents()?;
        let node = &mut cluster.nodes[0];
        let (web, db) = (node.add_pod("shop", "web")?, node.add_pod("shop", "db")?);
        db.serve_tcp(80)?;
        let to = SocketAddr::new(db.address(false)?, 80);
        ensure!(node.status()?.enforcement.hooks == attach);
        ensure!(web.connect(to, SHORT).is_err(), "{attach}: policy denies it");

        let refused =
            node.ringfence(&["uninstall", "--state-dir", &node.state_dir().to_string_lossy(), "--purge"]);
        ensure!(format!("{:#}", refused.err().context("an agent still runs")?).contains("stop it first"));
        node.stop_agent()?;
        ensure!(web.connect(to, SHORT).is_err(), "{attach}: enforcement outlives the agent");
        node.ringfence(&["uninstall", "--state-dir", &node.state_dir().to_string_lossy(), "--purge"])?;

        let left = [
            "ip -o link show | grep -E 'rf-' || true",
            "ip route show table all proto 158; ip -6 route show table all proto 158",
            "ip rule show | grep 1871 || true",
            "nft list tables | grep ringfence || true",
            "ls -d /sys/fs/bpf/ringfence /run/ringfence 2>/dev/null || true",
            "bpftool net show | grep -E 'underlay_|pod_|wg_' || true",
            "for i in $(ls /sys/class/net); do tc filter show dev $i ingress; tc filter show dev $i egress; done",
            "tc qdisc show | grep clsact || true",
            "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o '[w]ireguard-userspace --name' || true",
        ];
        for question in left {
            let answer = shell(node, question)?;
            ensure!(answer.is_empty(), "{attach}: {question}: {answer}");
        }
        ensure!(!node.state_dir().exists(), "{attach}: the state directory");
        ensure!(web.connect(to, Duration::from_secs(3)).is_ok(), "{attach}: nothing filters any more");
    }
    Ok(())
}

#[test]
fn the_guard_keeps_pod_traffic_off_the_wire_before_the_agent_has_started() -> Result<()> {
    let mut cluster = Cluster::new(2)?;
    cluster.start_agents()?;
    let node = &mut cluster.nodes[0];
    node.stop_agent()?;
    // What a reboot does: nothing of us is in the kernel, the state directory is still there.
    let state = node.state_dir().to_string_lossy().into_owned();
    node.ringfence(&["uninstall", "--state-dir", &state])?;
    shell(node, "ip route add default via 192.0.2.1")?;
    ensure!(shell(node, "ip route get 10.64.1.5")?.contains("via 192.0.2.1"), "it would leave in the clear");
    node.ringfence(&["guard", "--state-dir", &state])?;
    for unknown in ["10.64.1.5", "10.64.77.5", "fd00:64:1::5"] {
        let route = shell(node, &format!("ip route get {unknown} 2>&1 || true"))?;
        ensure!(!route.contains("eth0"), "{unknown}: {route}");
    }
    // Nor if somebody knows a more direct way.
    shell(node, "ip route add 10.64.1.5/32 via 192.0.2.1")?;
    shell(node, "ping -n -c 1 -W 1 10.64.1.5 || true")?;
    let dropped = shell(node, "nft list counter inet ringfence-lock plaintext")?;
    ensure!(dropped.contains("packets 1 "), "the lock does not hold: {dropped}");
    shell(node, "ip route del 10.64.1.5/32")?;
    let manifests = cluster.manifests();
    cluster.nodes[0].start_agent(&manifests)?;
    cluster.nodes[0].wait_ready(LONG)?;
    ensure!(shell(&cluster.nodes[0], "ip route get 10.64.1.5")?.contains("rf-wg"), "then there is a mesh");
    Ok(())
}

#[test]
fn a_second_agent_with_the_same_run_directory_refuses_to_start_and_harms_nothing() -> Result<()> {
    let mut cluster = Cluster::new(1)?;
    cluster.start_agents()?;
    let node = &cluster.nodes[0];
    let manifests = format!("dir:{}", cluster.manifests().display());
    let second =
        node.ringfence(&["agent", "--node", "node-0", "--source", &manifests, "--state-dir", "/run/other"]);
    let error = format!("{:#}", second.err().context("it started")?);
    ensure!(error.contains("another agent runs"), "{error}");
    ensure!(node.status()?.ready, "the first one answers as before");
    let mode = shell(node, "stat -c %a /run/ringfence/agent.lock")?;
    ensure!(mode.trim() == "600", "who may open the lock may keep every agent from starting: {mode}");
    Ok(())
}

#[test]
fn a_node_without_a_node_object_says_so_and_becomes_ready_when_there_is_one() -> Result<()> {
    let mut cluster = Cluster::new(1)?;
    let manifest = std::fs::read_to_string(cluster.manifests().join("node-0.yaml"))?;
    cluster.write("node-0.yaml", &manifest.replace("node-0", "node-elsewhere"))?;
    let manifests = cluster.manifests();
    cluster.nodes[0].start_agent(&manifests)?;
    eventually(LONG, "the error is reported", || {
        let report = cluster.nodes[0].status()?;
        ensure!(
            !report.ready && report.errors.iter().any(|e| e.contains("no Node object node-0")),
            "{:?}",
            report.errors
        );
        Ok(())
    })?;
    cluster.write("node-0.yaml", &manifest)?;
    cluster.nodes[0].wait_ready(LONG)
}

#[test]
fn a_cni_configuration_is_installed_once_the_node_is_ready_and_goes_with_us() -> Result<()> {
    let mut cluster = Cluster::new(1)?;
    let dir = cluster.nodes[0].state_dir().with_extension("net.d");
    let file = dir.join("05-ringfence.conflist");
    let dir = dir.to_string_lossy().into_owned();
    cluster.nodes[0].arguments.extend(["--cni-conf-dir".to_owned(), dir.clone()]);
    let manifest = std::fs::read_to_string(cluster.manifests().join("node-0.yaml"))?;
    cluster.remove("node-0.yaml")?;
    cluster.write("other.yaml", &manifest.replace("node-0", "node-elsewhere"))?;
    let manifests = cluster.manifests();
    cluster.nodes[0].start_agent(&manifests)?;
    eventually(LONG, "an agent that answers", || cluster.nodes[0].status().map(|_| ()))?;
    ensure!(!file.exists(), "the node is not ready, and yet a runtime would call us");
    cluster.remove("other.yaml")?;
    cluster.write("node-0.yaml", &manifest)?;
    cluster.nodes[0].wait_ready(LONG)?;
    eventually(LONG, "the configuration", || {
        let list: serde_json::Value = serde_json::from_slice(&std::fs::read(&file)?)?;
        let types: Vec<_> =
            list["plugins"].as_array().context("no plugins")?.iter().map(|p| &p["type"]).collect();
        ensure!(types == ["ptp", "ringfence", "portmap"], "{types:?}");
        let ptp = &list["plugins"][0];
        ensure!(ptp["ipam"]["ranges"].as_array().map(Vec::len) == Some(2), "{ptp}");
        ensure!(ptp["mtu"].as_u64().is_some_and(|mtu| (1280..1500).contains(&mtu)), "{ptp}");
        Ok(())
    })?;
    cluster.nodes[0].stop_agent()?;
    let state = cluster.nodes[0].state_dir().to_string_lossy().into_owned();
    cluster.nodes[0].ringfence(&["uninstall", "--state-dir", &state, "--cni-conf-dir", &dir])?;
    ensure!(!file.exists(), "it is still there");
    Ok(())
}
