//! The agent end to end: real agents on nodes of network namespaces, pods by CNI, packets.
use anyhow::{Context, Result, anyhow, ensure};
use ringfence_integration::cluster::{Cluster, Pod, eventually};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(700);
const LONG: Duration = Duration::from_secs(10);

/// Two tiers and a stranger, on two nodes; the database accepts the shop alone.
const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: shop, namespace: bank, labels: {app: shop}}
spec: {nodeName: node-0, containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: stranger, namespace: bank, labels: {app: stranger}}
spec: {nodeName: node-0, containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: bank, labels: {app: db}}
spec: {nodeName: node-1, containers: [{name: c, image: i}]}
";

const POLICY: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: bank}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: shop}}}]
    ports: [{port: 5432}]
";

struct Bank {
    cluster: Cluster,
    shop: Pod,
    stranger: Pod,
    db: Pod,
}

fn bank() -> Result<Bank> {
    bank_with(&[])
}

/// With more arguments for the agents.
fn bank_with(arguments: &[&str]) -> Result<Bank> {
    let mut cluster = Cluster::new(2)?;
    for node in &mut cluster.nodes {
        node.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    }
    cluster.write("pods.yaml", PODS)?;
    cluster.write("policy.yaml", POLICY)?;
    cluster.start_agents()?;
    let shop = cluster.nodes[0].add_pod("bank", "shop")?;
    let stranger = cluster.nodes[0].add_pod("bank", "stranger")?;
    let db = cluster.nodes[1].add_pod("bank", "db")?;
    db.serve_tcp(5432)?;
    db.serve_tcp(9999)?;
    db.serve_udp(5432)?;
    Ok(Bank { cluster, shop, stranger, db })
}

/// Whether a byte sent over a new connection comes back.
fn reaches(from: &Pod, to: SocketAddr) -> bool {
    let echo = || -> Result<()> {
        let mut stream = from.connect(to, SHORT)?;
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])?;
        Ok(())
    };
    echo().is_ok()
}

#[test]
fn a_permitted_pod_reaches_another_node_and_a_forbidden_one_is_dropped_and_counted() -> Result<()> {
    let bank = bank()?;
    for v6 in [false, true] {
        let db = SocketAddr::new(bank.db.address(v6)?, 5432);
        eventually(LONG, "the shop reaches the database", || {
            ensure!(reaches(&bank.shop, db), "{db}");
            Ok(())
        })?;
        ensure!(!reaches(&bank.stranger, db), "the stranger reaches {db}");
        ensure!(!reaches(&bank.shop, SocketAddr::new(db.ip(), 9999)), "another port");
    }
    let report = bank.cluster.nodes[1].status()?;
    ensure!(report.drops["policy-ingress"] >= 4, "{:?}", report.drops);
    ensure!(report.plaintext == 0);
    Ok(())
}

#[test]
fn allowed_traffic_survives_the_agents_death_and_return_without_losing_a_packet() -> Result<()> {
    let mut bank = bank()?;
    let db = SocketAddr::new(bank.db.address(false)?, 5432);
    let policy = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db-udp, namespace: bank}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: shop}}}]
    ports: [{port: 5432, protocol: UDP}]
";
    bank.cluster.write("policy-udp.yaml", policy)?;
    let socket = bank.shop.udp(db, SHORT)?;
    eventually(LONG, "the first datagram comes back", || {
        socket.send(b"first")?;
        socket.recv(&mut [0; 16])?;
        Ok(())
    })?;
    let mut stream = bank.shop.connect(db, SHORT)?;
    let going = Arc::new(AtomicBool::new(true));
    let pinging = {
        let going = going.clone();
        std::thread::spawn(move || -> Result<u32> {
            let mut sent = 0u32;
            while going.load(Ordering::Relaxed) {
                sent += 1;
                socket.send(&sent.to_be_bytes())?;
                let mut answer = [0; 4];
                // Stragglers of the first datagrams are passed over.
                while { socket.recv(&mut answer).with_context(|| format!("datagram {sent} was lost"))? } != 4
                    || u32::from_be_bytes(answer) != sent
                {}
                std::thread::sleep(Duration::from_millis(2));
            }
            Ok(sent)
        })
    };
    let manifests = bank.cluster.manifests();
    for round in 0..3 {
        for node in &mut bank.cluster.nodes {
            if round == 1 { node.stop_agent()? } else { node.kill_agent()? }
        }
        stream
            .write_all(b"x")
            .and_then(|()| stream.read_exact(&mut [0]))
            .context("while the agents are away")?;
        for node in &mut bank.cluster.nodes {
            node.start_agent(&manifests)?;
        }
        for node in &bank.cluster.nodes {
            node.wait_ready(LONG)?;
        }
        stream.write_all(b"x").and_then(|()| stream.read_exact(&mut [0])).context("after they are back")?;
        ensure!(!reaches(&bank.stranger, db), "the stranger still does not reach the database");
    }
    going.store(false, Ordering::Relaxed);
    let sent = pinging.join().map_err(|_| anyhow!("the pinging thread panicked"))??;
    ensure!(sent > 100, "only {sent} datagrams");
    Ok(())
}

#[test]
fn a_policy_edit_cuts_what_it_no_longer_allows_within_a_second() -> Result<()> {
    let bank = bank()?;
    let db = SocketAddr::new(bank.db.address(true)?, 5432);
    eventually(LONG, "the shop reaches the database", || {
        ensure!(reaches(&bank.shop, db));
        Ok(())
    })?;
    let mut stream = bank.shop.connect(db, SHORT)?;
    let mut ping = move || stream.write_all(b"x").and_then(|()| stream.read_exact(&mut [0]));
    ping()?;
    bank.cluster.write("policy.yaml", &POLICY.replace("app: shop", "app: nobody"))?;
    std::thread::sleep(Duration::from_secs(1));
    ensure!(ping().is_err(), "an established connection goes on though policy forbids it");
    ensure!(!reaches(&bank.shop, db), "a new one too");
    bank.cluster.write("policy.yaml", POLICY)?;
    eventually(LONG, "the shop reaches the database again", || {
        ensure!(reaches(&bank.shop, db));
        Ok(())
    })
}

#[test]
fn manifests_that_cannot_be_read_change_nothing_and_are_reported() -> Result<()> {
    let bank = bank()?;
    let db = SocketAddr::new(bank.db.address(false)?, 5432);
    bank.cluster.write("broken.yaml", "kind: NetworkPolicy\nmetadata: {name: [\n")?;
    let node = &bank.cluster.nodes[1];
    eventually(LONG, "the problem is reported", || {
        let report = node.status()?;
        ensure!(report.problems.iter().any(|p| p.source.contains("broken.yaml")), "{:?}", report.problems);
        Ok(())
    })?;
    ensure!(node.status()?.ready, "the node stays ready");
    ensure!(reaches(&bank.shop, db) && !reaches(&bank.stranger, db), "what was enforced still is");
    bank.cluster.remove("broken.yaml")?;
    eventually(LONG, "the problem is gone", || {
        ensure!(node.status()?.problems.is_empty());
        Ok(())
    })
}

#[test]
fn what_others_take_away_is_back_within_two_seconds() -> Result<()> {
    let bank = bank()?;
    let db = SocketAddr::new(bank.db.address(false)?, 5432);
    eventually(LONG, "the shop reaches the database", || {
        ensure!(reaches(&bank.shop, db));
        Ok(())
    })?;
    let machine = &bank.cluster.nodes[0].machine;
    for harm in [
        "ip link del rf-wg0",
        "ip route flush proto 158",
        "ip rule del priority 1871",
        "nft delete table inet ringfence",
        "rm -r /sys/fs/bpf/ringfence/links",
        "rm -r /sys/fs/bpf/ringfence",
        "ip link set rf-wg0 down",
    ] {
        machine.run(None, "sh", &["-c", harm])?;
        let started = Instant::now();
        eventually(LONG, harm, || {
            ensure!(reaches(&bank.shop, db));
            Ok(())
        })?;
        ensure!(started.elapsed() < Duration::from_secs(4), "{harm}: took {:?}", started.elapsed());
        eventually(LONG, harm, || {
            let errors = bank.cluster.nodes[0].status()?.errors;
            ensure!(errors.is_empty(), "{errors:?}");
            Ok(())
        })?;
        ensure!(!reaches(&bank.stranger, db), "{harm}");
        let report = bank.cluster.nodes[0].status()?;
        ensure!(report.plaintext == 0, "{harm}: {} packets tried to leave in the clear", report.plaintext);
    }
    Ok(())
}

#[test]
fn tables_grow_past_their_first_size_while_allowed_traffic_flows_and_nothing_forbidden_passes() -> Result<()>
{
    let bank = bank_with(&["--table-entries", "32"])?;
    let db = SocketAddr::new(bank.db.address(false)?, 5432);
    eventually(LONG, "the shop reaches the database", || {
        ensure!(reaches(&bank.shop, db));
        Ok(())
    })?;
    let mut stream = bank.shop.connect(db, LONG)?;
    let (going, lost) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let echoing = {
        let (going, lost) = (going.clone(), lost.clone());
        std::thread::spawn(move || {
            while going.load(Ordering::Relaxed) {
                if stream.write_all(b"x").and_then(|()| stream.read_exact(&mut [0])).is_err() {
                    lost.store(true, Ordering::Relaxed);
                    return;
                }
            }
        })
    };
    // Many pods that do not exist as sandboxes, and a policy with as many blocks for the database.
    for round in 1..=2u32 {
        let pods: String = (0..round * 150)
            .map(|i| {
                format!(
                    "apiVersion: v1\nkind: Pod\nmetadata: {{name: p{i}, namespace: bank, labels: {{n: \"{i}\"}}}}\n\
                     spec: {{nodeName: node-0, containers: [{{name: c, image: i}}]}}\n\
                     status: {{podIP: 10.64.0.{}}}\n---\n",
                    50 + i % 200
                )
            })
            .take(200)
            .collect();
        let blocks: String = (0..round * 150)
            .map(|i| format!("    - ipBlock: {{cidr: 172.16.{}.{}/32}}\n", i / 250, i % 250))
            .collect();
        let policy = format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: many, namespace: bank}}\nspec:\n  \
             podSelector: {{matchLabels: {{app: db}}}}\n  ingress:\n  - from:\n{blocks}    ports: [{{port: 5432}}]\n"
        );
        bank.cluster.write("pods-many.yaml", &pods)?;
        bank.cluster.write("policy-many.yaml", &policy)?;
        eventually(LONG, "tables that have grown", || {
            let report = bank.cluster.nodes[1].status()?;
            ensure!(report.errors.is_empty(), "{:?}", report.errors);
            let prefixes = report.tables.iter().find(|t| t.name == "RF_PREFIXES").context("no such table")?;
            ensure!(prefixes.used >= u64::from(round) * 150, "{prefixes:?}");
            ensure!(prefixes.used * 4 <= prefixes.capacity * 3, "{prefixes:?}");
            Ok(())
        })?;
        ensure!(!reaches(&bank.stranger, db), "the stranger reaches the database in round {round}");
        ensure!(!lost.load(Ordering::Relaxed), "the shop's connection broke in round {round}");
    }
    going.store(false, Ordering::Relaxed);
    echoing.join().map_err(|_| anyhow!("the echoing thread panicked"))
}

#[test]
fn an_agent_whose_source_is_gone_keeps_enforcing_and_says_so() -> Result<()> {
    let mut bank = bank()?;
    let db = SocketAddr::new(bank.db.address(false)?, 5432);
    let (there, gone) = (bank.cluster.manifests(), bank.cluster.manifests().with_extension("gone"));
    std::fs::rename(&there, &gone)?;
    eventually(LONG, "the loss is reported", || {
        ensure!(!bank.cluster.nodes[1].status()?.problems.is_empty());
        Ok(())
    })?;
    ensure!(reaches(&bank.shop, db) && !reaches(&bank.stranger, db), "what was enforced still is");
    // An agent that starts without its source programs nothing: what the last one enforced stays.
    bank.cluster.nodes[1].kill_agent()?;
    bank.cluster.nodes[1].start_agent(&there)?;
    eventually(LONG, "the agent answers", || {
        let report = bank.cluster.nodes[1].status()?;
        ensure!(!report.ready && !report.waiting_for.is_empty());
        Ok(())
    })?;
    ensure!(reaches(&bank.shop, db) && !reaches(&bank.stranger, db), "also across a restart");
    std::fs::rename(&gone, &there)?;
    bank.cluster.nodes[1].wait_ready(LONG)?;
    ensure!(reaches(&bank.shop, db) && !reaches(&bank.stranger, db), "and when the source is back");
    Ok(())
}
