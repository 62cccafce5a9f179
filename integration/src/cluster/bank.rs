//! The example that most tests of the agent are about.
use super::{Cluster, Pod};
use anyhow::Result;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

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

/// The database accepts the shop alone, on TCP port 5432.
pub const POLICY: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: bank}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: shop}}}]
    ports: [{port: 5432}]
";

/// A shop and a stranger on `node-0`, a database on `node-1` that accepts the shop alone.
pub struct Bank {
    /// Its cluster.
    pub cluster: Cluster,
    /// May.
    pub shop: Pod,
    /// May not.
    pub stranger: Pod,
    /// Answers on TCP ports 5432 and 9999 and on UDP port 5432.
    pub db: Pod,
}

/// The bank, up and ready.
pub fn bank() -> Result<Bank> {
    bank_with(&[])
}

/// With more arguments for the agents.
pub fn bank_with(arguments: &[&str]) -> Result<Bank> {
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
pub fn reaches(from: &Pod, to: SocketAddr) -> bool {
    let echo = || -> Result<()> {
        let mut stream = from.connect(to, Duration::from_millis(700))?;
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])?;
        Ok(())
    };
    echo().is_ok()
}
