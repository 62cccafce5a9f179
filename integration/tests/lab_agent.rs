//! The agent end to end: real agents on nodes of network namespaces, pods by CNI, packets.
use anyhow::{Result, ensure};
use ringfence_integration::cluster::{Cluster, Pod, eventually};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

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
    let mut cluster = Cluster::new(2)?;
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
