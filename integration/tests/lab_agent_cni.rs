//! CNI against a real agent: what a container runtime meets, in good times and bad.
use anyhow::{Context, Result, ensure};
use ringfence_integration::cluster::{Cluster, eventually};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(10);

fn pod(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: {name}}}}}\n\
         spec: {{nodeName: node-0, containers: [{{name: c, image: i}}]}}\n---\n"
    )
}

const DENY_ALL: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
";

#[test]
fn add_waits_for_a_pod_that_the_source_does_not_have_yet_and_fails_in_time_if_it_never_comes() -> Result<()> {
    let mut cluster = Cluster::new(1)?;
    cluster.write("pods.yaml", &pod("early"))?;
    cluster.start_agents()?;
    std::thread::scope(|scope| -> Result<()> {
        let node = &cluster.nodes[0];
        let adding = scope.spawn(move || node.add_pod("shop", "late"));
        std::thread::sleep(Duration::from_millis(1500));
        ensure!(!adding.is_finished(), "ADD was answered though nobody knows the pod");
        cluster.write("late.yaml", &pod("late"))?;
        let added = adding.join().map_err(|_| anyhow::anyhow!("panic"))??;
        let report = node.status()?;
        let endpoint = report.endpoints.iter().find(|e| e.pod.name == "late").context("not there")?;
        ensure!(endpoint.state == "enforced" && endpoint.addresses == added.addresses, "{endpoint:?}");

        let started = Instant::now();
        let error = node.add_pod("shop", "never").err().context("ADD of an unknown pod succeeded")?;
        let text = format!("{error:#}");
        ensure!(text.contains("shop/never is not known"), "{text}");
        ensure!(started.elapsed() < Duration::from_secs(13), "{:?}", started.elapsed());
        Ok(())
    })
}

#[test]
fn add_fails_with_a_clear_error_while_the_agent_is_away_and_del_succeeds() -> Result<()> {
    let mut cluster = Cluster::new(1)?;
    cluster.write("pods.yaml", &(pod("one") + &pod("two")))?;
    cluster.start_agents()?;
    let one = cluster.nodes[0].add_pod("shop", "one")?;
    cluster.nodes[0].kill_agent()?;
    let error = cluster.nodes[0].add_pod("shop", "two").err().context("ADD succeeded without an agent")?;
    ensure!(format!("{error:#}").contains("does not answer on /run/ringfence/agent.sock"), "{error:#}");
    cluster.nodes[0].delete_pod(&one)?;
    let manifests = cluster.manifests();
    cluster.nodes[0].start_agent(&manifests)?;
    cluster.nodes[0].wait_ready(LONG)?;
    eventually(LONG, "the pod that went meanwhile is forgotten", || {
        let report = cluster.nodes[0].status()?;
        ensure!(report.endpoints.is_empty(), "{:?}", report.endpoints);
        let left: Vec<_> = std::fs::read_dir(cluster.nodes[0].state_dir().join("tombstones"))?.collect();
        ensure!(left.is_empty(), "a note is left");
        Ok(())
    })
}

#[test]
fn a_pod_comes_back_denied_in_the_very_first_moment_and_leaves_nothing_behind() -> Result<()> {
    let mut cluster = Cluster::new(1)?;
    cluster.write("pods.yaml", &(pod("one") + &pod("two")))?;
    cluster.write("policy.yaml", DENY_ALL)?;
    cluster.start_agents()?;
    let node = &cluster.nodes[0];
    let one = node.add_pod("shop", "one")?;
    let two = node.add_pod("shop", "two")?;
    one.serve_tcp(80)?;
    let to = std::net::SocketAddr::new(one.address(false)?, 80);
    ensure!(two.connect(to, Duration::from_millis(300)).is_err(), "denied from the first connection on");
    let before = node.status()?;
    ensure!(
        before.endpoints.iter().all(|e| e.ingress_isolated && e.egress_isolated),
        "{:?}",
        before.endpoints
    );
    node.check_pod(&one).context("CHECK of an attached pod")?;
    node.delete_pod(&one)?;
    ensure!(node.check_pod(&one).is_err(), "CHECK of a pod that is gone");
    eventually(LONG, "it is forgotten", || {
        let report = node.status()?;
        ensure!(report.endpoints.len() == 1, "{:?}", report.endpoints);
        Ok(())
    })?;
    let again = node.add_pod("shop", "one")?;
    let id = |report: &ringfence::status::StatusReport| {
        report.endpoints.iter().find(|e| e.pod.name == "one").map(|e| e.id)
    };
    ensure!(id(&node.status()?) > id(&before), "numbers are not used again");
    node.delete_pod(&again)?;
    node.delete_pod(&two)
}

#[test]
fn adding_costs_little_beyond_what_ptp_costs() -> Result<()> {
    let mut cluster = Cluster::new(1)?;
    let pods: String = (0..12).map(|i| pod(&format!("p{i}"))).collect();
    cluster.write("pods.yaml", &pods)?;
    cluster.write("policy.yaml", DENY_ALL)?;
    cluster.start_agents()?;
    let node = &cluster.nodes[0];
    let mut took = Vec::new();
    for i in 0..12 {
        took.push(node.add_pod("shop", &format!("p{i}"))?.attached_in);
    }
    took.sort();
    let median = took[took.len() / 2];
    eprintln!("ringfence ADD, process and nsenter included: median {median:?}, all {took:?}");
    // A debug build on a busy machine: an order of magnitude, not the benchmark.
    ensure!(median < Duration::from_millis(200), "{took:?}");
    Ok(())
}
