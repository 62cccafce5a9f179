//! The agent end to end: real agents on nodes of network namespaces, pods by CNI, packets.
use anyhow::{Context, Result, anyhow, ensure};
use ringfence_integration::cluster::bank::{POLICY, bank, reaches};
use ringfence_integration::cluster::eventually;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(700);
const LONG: Duration = Duration::from_secs(20);

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
