//! What cannot be taken as written is shown by `ringfence status`, with file, object and field, and again after a restart.
use anyhow::{Context, Result, ensure};
use ringfence_integration::cluster::bank::{POLICY, bank, reaches};
use ringfence_integration::cluster::{Cluster, Node, eventually, in_netns};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

/// One more rule for the database, with a peer that cannot be understood.
const ODD_RULE: &str = "  - from: [{ipBlock: {cidr: 10.0.0.0/33}}]\n";

/// A node, by its name behind the others where ages are not known, that claims half of `node-1`'s pods.
const OVERLAPPING: &str = "
apiVersion: v1
kind: Node
metadata: {name: z-late, uid: late}
spec: {podCIDRs: [10.64.1.128/25]}
status: {addresses: [{type: InternalIP, address: 192.0.2.77}]}
";

/// A node that is fine by itself; it will publish another's keys.
const CLONED: &str = "
apiVersion: v1
kind: Node
metadata: {name: z-clone, uid: clone}
spec: {podCIDRs: [10.64.9.0/24]}
status: {addresses: [{type: InternalIP, address: 192.0.2.78}]}
";

/// File, kind, object and field of what must be shown.
const EXPECTED: [[&str; 4]; 3] = [
    ["policy.yaml", "NetworkPolicy", "bank/db", "spec.ingress[1].from[0].ipBlock.cidr"],
    ["late.yaml", "Node", "z-late", "spec.podCIDRs"],
    ["clone.json", "RingfenceNode", "z-clone", "spec.planes"],
];

/// Whether `status` shows them all, to machines and to people.
fn shown(node: &Node) -> Result<()> {
    let problems = node.status()?.problems;
    // The exit code of a node that is not ready would be another failure.
    let text = node.ringfence(&["status", "-o", "table"])?;
    for [file, kind, object, field] in EXPECTED {
        let found = problems.iter().find(|p| {
            p.source.ends_with(file)
                && (p.kind.as_str(), p.object.to_string().as_str()) == (kind, object)
                && p.field == field
        });
        let found = found.with_context(|| format!("{file} {kind} {object} {field}: {problems:#?}"))?;
        ensure!(!found.message.is_empty());
        ensure!(text.contains(&found.to_string()), "{found} is not in\n{text}");
    }
    Ok(())
}

#[test]
fn what_cannot_be_understood_or_contradicts_others_is_shown_with_file_object_and_field_also_after_a_restart()
-> Result<()> {
    let mut bank = bank()?;
    let db = SocketAddr::new(bank.db.address(false)?, 5432);
    let manifests = bank.cluster.manifests();
    let published = std::fs::read_to_string(manifests.join("ringfencenode.node-1.json"))?;
    let mut cloned: serde_json::Value = serde_json::from_str(&published)?;
    cloned["metadata"]["name"] = "z-clone".into();
    cloned["spec"]["nodeUID"] = "clone".into();
    bank.cluster.write("policy.yaml", &format!("{POLICY}{ODD_RULE}"))?;
    bank.cluster.write("late.yaml", OVERLAPPING)?;
    bank.cluster.write("clone.yaml", CLONED)?;
    bank.cluster.write("clone.json", &cloned.to_string())?;
    eventually(LONG, "the problems are shown", || shown(&bank.cluster.nodes[0]))?;
    for restarted in [false, true] {
        if restarted {
            bank.cluster.nodes[0].kill_agent()?;
            bank.cluster.nodes[0].start_agent(&manifests)?;
            bank.cluster.nodes[0].wait_ready(LONG)?;
            eventually(LONG, "the problems are shown again", || shown(&bank.cluster.nodes[0]))?;
        }
        let refused = bank.cluster.nodes[0].status()?.refused_nodes;
        ensure!(refused.keys().eq(["z-clone", "z-late"]), "{refused:?}");
        eventually(LONG, "what the policy says plainly holds", || {
            ensure!(reaches(&bank.shop, db));
            Ok(())
        })?;
        ensure!(!reaches(&bank.stranger, db), "and what cannot be understood allows nothing");
    }
    for file in ["late.yaml", "clone.yaml", "clone.json"] {
        bank.cluster.remove(file)?;
    }
    eventually(LONG, "what was mended is shown no more", || {
        let problems = bank.cluster.nodes[0].status()?.problems;
        ensure!(problems.len() == 1 && problems[0].kind == "NetworkPolicy", "{problems:#?}");
        Ok(())
    })
}

#[test]
fn a_mesh_that_cannot_stand_is_tried_seldom_says_so_and_stands_once_it_can() -> Result<()> {
    let mut cluster = Cluster::new(1)?;
    let manifests = cluster.manifests();
    let node = &mut cluster.nodes[0];
    node.arguments.extend(["--ports", "51871", "51872"].map(str::to_owned));
    // Whoever has the port of a plane keeps its device from standing, however often it is made.
    let netns = format!("/proc/{}/ns/net", node.machine.pid);
    let taken = in_netns(Path::new(&netns), || Ok(UdpSocket::bind("[::]:51871")?))?;
    node.start_agent(&manifests)?;
    let attempts = |node: &Node| -> Result<u32> {
        let retry = node.status()?.mesh.retry.context("the mesh stands, though its port is taken")?;
        ensure!(retry.next_milliseconds <= 5000, "{retry:?}");
        Ok(retry.attempts)
    };
    let node = &cluster.nodes[0];
    eventually(LONG, "the failure is reported", || {
        let report = node.status()?;
        ensure!(!report.ready && report.errors.iter().any(|e| e.starts_with("mesh:")), "{report:#?}");
        attempts(node).map(drop)
    })?;
    std::thread::sleep(Duration::from_secs(6));
    let before = attempts(node)?;
    std::thread::sleep(Duration::from_secs(10));
    let more = attempts(node)? - before;
    ensure!((1..=6).contains(&more), "{more} attempts in 10 s");
    drop(taken);
    node.wait_ready(LONG)?;
    ensure!(node.status()?.mesh.retry.is_none());
    Ok(())
}
