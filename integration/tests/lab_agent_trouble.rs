//! The agent when something is wrong: with its source, with what others do to the node, with the size of things.
use anyhow::{Context, Result, anyhow, ensure};
use ringfence_integration::cluster::bank::{bank, bank_with, reaches};
use ringfence_integration::cluster::eventually;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(20);

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
