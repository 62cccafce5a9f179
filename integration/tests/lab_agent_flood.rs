//! P3 from a pod's very first packet: one that floods from the instant it exists, and is flooded before it exists.
use anyhow::{Context, Result, anyhow, ensure};
use ringfence_integration::cluster::{Cluster, Pod, eventually, in_netns};
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

/// A flood that is going on.
struct Flood {
    sent: Arc<AtomicU64>,
    going: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Flood {
    /// Datagrams to `targets`, as fast as they go, from inside `netns`, until told otherwise.
    fn start(netns: PathBuf, targets: Vec<SocketAddr>) -> Self {
        let (sent, going) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(true)));
        let (count, on) = (sent.clone(), going.clone());
        let flood = move || {
            let sockets = [UdpSocket::bind("0.0.0.0:0")?, UdpSocket::bind("[::]:0")?];
            while on.load(Ordering::Relaxed) {
                for to in &targets {
                    // Before its device is up there is no route.
                    let sent = sockets[usize::from(to.is_ipv6())].send_to(b"flood", to);
                    count.fetch_add(u64::from(sent.is_ok()), Ordering::Relaxed);
                }
            }
            Ok(())
        };
        let thread = std::thread::spawn(move || in_netns(&netns, flood));
        Self { sent, going, thread }
    }

    /// Lets it go on until it has sent so many more.
    fn go_on(&self, more: u64) -> Result<()> {
        let enough = self.sent.load(Ordering::Relaxed) + more;
        eventually(Duration::from_secs(20), "a flood", || {
            let sent = self.sent.load(Ordering::Relaxed);
            ensure!(sent >= enough, "only {sent} datagrams were sent, which shows nothing");
            Ok(())
        })
    }

    fn stop(self) -> Result<()> {
        self.going.store(false, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the flood panicked"))?
    }
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
        let flood = Flood::start(netns.clone(), targets.clone());
        let pod = here.attach("shop", &name, netns)?;
        flood.go_on(500)?;
        flood.stop()?;
        let got = arrived.load(Ordering::Relaxed);
        ensure!(got == 0, "{got} datagrams of {} arrived", pod.name);
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
    let floods = [&near, &far].map(|pod| Flood::start(pod.netns(), targets.clone()));
    let arrived = Arc::new(AtomicU64::new(0));
    for i in 0..6 {
        let name = format!("v{i}");
        let netns = here.sandbox("shop", &name)?;
        count(netns.clone(), arrived.clone())?;
        let pod = here.attach("shop", &name, netns)?;
        ensure!(at(&pod).iter().any(|a| targets.contains(a)), "{:?} was not flooded", pod.addresses);
        floods.iter().try_for_each(|flood| flood.go_on(300))?;
        let got = arrived.load(Ordering::Relaxed);
        ensure!(got == 0, "{got} datagrams arrived at {name}");
    }
    floods.into_iter().try_for_each(Flood::stop)
}
