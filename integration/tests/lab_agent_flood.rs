//! P3 from a pod's very first packet: one that floods from the instant it exists, and is flooded before it exists, by and
//! towards a pod of its own node and one of another, in both families. What arrives is counted by those who may be reached
//! too, so that a count of nothing means something, and what is dropped by the node's own counters.
use anyhow::{Context, Result, anyhow, ensure};
use ringfence_integration::cluster::{Cluster, Node, Pod, eventually, in_netns};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
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

/// Counts the datagrams that arrive in `netns`, IPv4 and IPv6.
fn count(netns: PathBuf, arrived: &[Arc<AtomicU64>; 2]) -> Result<()> {
    let arrived = arrived.clone();
    in_netns(&netns, move || {
        let socket = UdpSocket::bind("[::]:7777")?;
        std::thread::spawn(move || {
            while let Ok((_, from)) = socket.recv_from(&mut [0; 16]) {
                let v6 = from.ip().to_canonical().is_ipv6();
                arrived[usize::from(v6)].fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(())
    })
}

fn at(pod: &Pod) -> Vec<SocketAddr> {
    pod.addresses.iter().map(|a| SocketAddr::new(*a, 7777)).collect()
}

fn drops(node: &Node, reason: &str) -> Result<u64> {
    node.status()?.drops.get(reason).copied().with_context(|| reason.to_owned())
}

/// Waits until every one of these has heard something.
fn all_hear(arrived: &[Arc<AtomicU64>]) -> Result<()> {
    eventually(Duration::from_secs(20), "a datagram that is allowed", || {
        let heard: Vec<u64> = arrived.iter().map(|n| n.load(Ordering::Relaxed)).collect();
        ensure!(heard.iter().all(|n| *n > 0), "{heard:?}");
        Ok(())
    })
}

#[test]
fn a_pod_that_floods_from_the_instant_it_exists_gets_nothing_out() -> Result<()> {
    let mut cluster = Cluster::new(2)?;
    let flooders: String = (0..6).map(|i| pod(&format!("f{i}"), 0)).collect();
    cluster.write("pods.yaml", &(flooders + &pod("near", 0) + &pod("far", 1) + &pod("z-honest", 0)))?;
    cluster.write("policy.yaml", POLICY)?;
    cluster.start_agents()?;
    let (here, there) = (&cluster.nodes[0], &cluster.nodes[1]);
    // One count for each address, so that none hides behind another.
    let (mut arrived, mut targets) = (Vec::new(), Vec::new());
    for (node, name) in [(here, "near"), (there, "far")] {
        let netns = node.sandbox("shop", name)?;
        let counts = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
        count(netns.clone(), &counts)?;
        targets.extend(at(&node.attach("shop", name, netns)?));
        arrived.extend(counts);
    }
    ensure!(targets.len() == 4, "{targets:?}");
    let before = drops(here, "policy-egress")?;
    for i in 0..6 {
        let name = format!("f{i}");
        let netns = here.sandbox("shop", &name)?;
        let flood = Flood::start(netns.clone(), targets.clone());
        let pod = here.attach("shop", &name, netns)?;
        flood.go_on(500)?;
        flood.stop()?;
        let got: Vec<u64> = arrived.iter().map(|n| n.load(Ordering::Relaxed)).collect();
        ensure!(got == [0; 4], "{got:?} datagrams of {} arrived", pod.name);
    }
    let dropped = drops(here, "policy-egress")? - before;
    ensure!(dropped >= 6 * 400, "only {dropped} were counted as dropped");
    // The control: from a pod that may, all four addresses are reached.
    let honest = here.add_pod("shop", "z-honest")?;
    let flood = Flood::start(honest.netns(), targets);
    all_hear(&arrived)?;
    flood.stop()
}

#[test]
fn a_pod_that_is_flooded_before_it_exists_gets_nothing() -> Result<()> {
    let mut cluster = Cluster::new(2)?;
    let victims: String = (0..6).map(|i| pod(&format!("v{i}"), 0)).collect();
    cluster.write("pods.yaml", &(victims + &pod("near", 0) + &pod("far", 1) + &pod("z-open", 0)))?;
    cluster.write("policy.yaml", POLICY)?;
    cluster.start_agents()?;
    let (here, there) = (&cluster.nodes[0], &cluster.nodes[1]);
    let near = here.add_pod("shop", "near")?;
    let far = there.add_pod("shop", "far")?;
    // host-local gives addresses in order: these are the ones the victims will have, and the open pod after them.
    let mut targets = Vec::new();
    for first in at(&near) {
        for i in 1..8 {
            let ip = match first.ip() {
                IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from(u32::from(ip) + i)),
                IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from(u128::from(ip) + u128::from(i))),
            };
            targets.push(SocketAddr::new(ip, first.port()));
        }
    }
    let floods = [&near, &far].map(|pod| Flood::start(pod.netns(), targets.clone()));
    let before = drops(here, "policy-ingress")?;
    for i in 0..6 {
        let name = format!("v{i}");
        let netns = here.sandbox("shop", &name)?;
        let counts = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
        count(netns.clone(), &counts)?;
        let pod = here.attach("shop", &name, netns)?;
        ensure!(at(&pod).iter().all(|a| targets.contains(a)), "{:?} was not flooded", pod.addresses);
        floods.iter().try_for_each(|flood| flood.go_on(600))?;
        let got = counts.map(|n| n.load(Ordering::Relaxed));
        ensure!(got == [0; 2], "{got:?} datagrams arrived at {name}");
    }
    // The control, whom the same floods meet at the next address.
    let netns = here.sandbox("shop", "z-open")?;
    let counts = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
    count(netns.clone(), &counts)?;
    let open = here.attach("shop", "z-open", netns)?;
    ensure!(at(&open).iter().all(|a| targets.contains(a)), "{:?} was not flooded", open.addresses);
    all_hear(&counts)?;
    let dropped = drops(here, "policy-ingress")? - before;
    ensure!(dropped >= 100, "only {dropped} were counted as dropped");
    floods.into_iter().try_for_each(Flood::stop)
}
