//! P3 from a pod's very first packet: one that floods from the instant it exists, and is flooded before it exists.
use anyhow::{Context, Result, ensure};
use ringfence_integration::cluster::{Cluster, Pod, in_netns};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

fn pod(name: &str, node: u8) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: {name}}}}}\n\
         spec: {{nodeName: node-{node}, containers: [{{name: c, image: i}}]}}\n---\n"
    )
}

/// The flooders may not send, the victims may not receive.
const POLICY: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: silent, namespace: shop}
spec:
  podSelector: {matchExpressions: [{key: app, operator: In, values: [f0, f1, f2, f3, f4, f5]}]}
  policyTypes: [Egress]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deaf, namespace: shop}
spec:
  podSelector: {matchExpressions: [{key: app, operator: In, values: [v0, v1, v2, v3, v4, v5]}]}
  policyTypes: [Ingress]
";

/// Datagrams to `targets`, as fast as they go, from inside `netns`, until told otherwise; how many were sent.
fn flood(netns: PathBuf, targets: Vec<SocketAddr>, going: Arc<AtomicBool>) -> JoinHandle<Result<u64>> {
    std::thread::spawn(move || {
        in_netns(&netns, move || {
            let sockets = [UdpSocket::bind("0.0.0.0:0")?, UdpSocket::bind("[::]:0")?];
            let mut sent = 0;
            while going.load(Ordering::Relaxed) {
                for to in &targets {
                    // Before its device is up there is no route.
                    sent += u64::from(sockets[usize::from(to.is_ipv6())].send_to(b"flood", to).is_ok());
                }
            }
            Ok(sent)
        })
    })
}

/// Counts the datagrams that arrive in `netns`.
fn count(netns: PathBuf, arrived: Arc<AtomicU64>) -> Result<()> {
    in_netns(&netns, move || {
        let socket = UdpSocket::bind("[::]:7777")?;
        std::thread::spawn(move || {
            while socket.recv(&mut [0; 16]).is_ok() {
                arrived.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(())
    })
}

fn at(pod: &Pod) -> Vec<SocketAddr> {
    pod.addresses.iter().map(|a| SocketAddr::new(*a, 7777)).collect()
}

#[test]
fn a_pod_that_floods_from_the_instant_it_exists_gets_nothing_out() -> Result<()> {
    let mut cluster = Cluster::new(2)?;
    let flooders: String = (0..6).map(|i| pod(&format!("f{i}"), 0)).collect();
    cluster.write("pods.yaml", &(flooders + &pod("near", 0) + &pod("far", 1)))?;
    cluster.write("policy.yaml", POLICY)?;
    cluster.start_agents()?;
    let (here, there) = (&cluster.nodes[0], &cluster.nodes[1]);
    let arrived = Arc::new(AtomicU64::new(0));
    let mut targets = Vec::new();
    for (node, name) in [(here, "near"), (there, "far")] {
        let netns = node.sandbox("shop", name)?;
        count(netns.clone(), arrived.clone())?;
        targets.extend(at(&node.attach("shop", name, netns)?));
    }
    for i in 0..6 {
        let name = format!("f{i}");
        let netns = here.sandbox("shop", &name)?;
        let going = Arc::new(AtomicBool::new(true));
        let flooding = flood(netns.clone(), targets.clone(), going.clone());
        let pod = here.attach("shop", &name, netns)?;
        std::thread::sleep(Duration::from_millis(200));
        going.store(false, Ordering::Relaxed);
        let sent = flooding.join().map_err(|_| anyhow::anyhow!("panic"))??;
        ensure!(sent > 100, "only {sent} were sent, which shows nothing");
        let got = arrived.load(Ordering::Relaxed);
        ensure!(got == 0, "{got} of {sent} datagrams of {} arrived", pod.name);
    }
    Ok(())
}

#[test]
fn a_pod_that_is_flooded_before_it_exists_gets_nothing() -> Result<()> {
    let mut cluster = Cluster::new(2)?;
    let victims: String = (0..6).map(|i| pod(&format!("v{i}"), 0)).collect();
    cluster.write("pods.yaml", &(victims + &pod("near", 0) + &pod("far", 1)))?;
    cluster.write("policy.yaml", POLICY)?;
    cluster.start_agents()?;
    let (here, there) = (&cluster.nodes[0], &cluster.nodes[1]);
    let near = here.add_pod("shop", "near")?;
    let far = there.add_pod("shop", "far")?;
    // host-local gives addresses in order: these are the ones the victims will have.
    let first = near.addresses.first().context("no address")?;
    let std::net::IpAddr::V4(first) = first else { return Err(anyhow::anyhow!("not IPv4")) };
    let targets: Vec<SocketAddr> =
        (1..8).map(|i| SocketAddr::from((std::net::Ipv4Addr::from(u32::from(*first) + i), 7777))).collect();
    let going = Arc::new(AtomicBool::new(true));
    let floods = [&near, &far].map(|pod| flood(pod.netns(), targets.clone(), going.clone()));
    let arrived = Arc::new(AtomicU64::new(0));
    for i in 0..6 {
        let name = format!("v{i}");
        let netns = here.sandbox("shop", &name)?;
        count(netns.clone(), arrived.clone())?;
        let pod = here.attach("shop", &name, netns)?;
        ensure!(at(&pod).iter().any(|a| targets.contains(a)), "{:?} was not flooded", pod.addresses);
        std::thread::sleep(Duration::from_millis(150));
        let got = arrived.load(Ordering::Relaxed);
        ensure!(got == 0, "{got} datagrams arrived at {name}");
    }
    going.store(false, Ordering::Relaxed);
    for flood in floods {
        let sent = flood.join().map_err(|_| anyhow::anyhow!("panic"))??;
        ensure!(sent > 100, "only {sent} were sent, which shows nothing");
    }
    Ok(())
}
