//! P1: between nodes there is nothing but WireGuard, whatever happens to agents, devices and nodes.
//!
//! While all pods and nodes talk, the underlay is captured through one event after the other.
use crate::lab::{Capture, Lab, eventually};
use anyhow::{Result, ensure};
use ringfence::lab::patience_factor;
use std::process::Child;
use std::time::Duration;

const PODS: [&str; 5] = ["talk/a1", "talk/b1", "talk/a2", "talk/b2", "talk/a3"];
const NODES: [&str; 3] = ["node1", "node2", "node3"];
/// An address of a pod CIDR of the cluster that no node has.
const NOBODY: [&str; 2] = ["10.244.77.5", "fd00:10:244:77::5"];

/// Everybody who talks, for ever: echo requests in both families to every pod, every node and an address that nobody
/// knows; HTTP to a host-network pod, to the Service and to its port on every node.
struct Talkers<'a> {
    lab: &'a Lab,
    of_nodes: String,
    of_pods: String,
    processes: Vec<Child>,
}

impl<'a> Talkers<'a> {
    fn new(lab: &'a Lab) -> Result<Self> {
        // A machine that is slow in itself would be busy with nothing but echo requests.
        let pause = 0.2 * f64::from(patience_factor());
        let pings = |addresses: &[String]| -> String {
            let ping = |a| format!("ping -n -q -i {pause} -W 1 {a} >/dev/null 2>&1 & ");
            addresses.iter().map(ping).collect()
        };
        let mut addresses: Vec<String> = NOBODY.map(str::to_owned).to_vec();
        for pod in PODS {
            addresses.extend(lab.pod(pod)?.1);
        }
        let of_nodes = format!("{} wait", pings(&addresses));
        for number in 11..=13 {
            addresses.extend([format!("10.88.0.{number}"), format!("fd00:10:88::{number}")]);
        }
        // Of nodes, only what goes to pods is ours: a node's call to another node's port is between nodes.
        let urls = "10.88.0.13:9090 10.96.7.7 10.88.0.11:30080 10.88.0.12:30080 10.88.0.13:30080";
        let of_pods = format!(
            "{} while :; do curl --silent --max-time 1 {urls} >/dev/null 2>&1; sleep {pause}; done",
            pings(&addresses)
        );
        let mut talkers = Self { lab, of_nodes, of_pods, processes: Vec::new() };
        PODS.into_iter().try_for_each(|pod| talkers.pod(pod))?;
        NODES.into_iter().try_for_each(|node| talkers.node(node))?;
        Ok(talkers)
    }

    fn pod(&mut self, pod: &str) -> Result<()> {
        self.processes.push(self.lab.spawn(pod, &["sh", "-c", &self.of_pods])?);
        Ok(())
    }

    fn node(&mut self, node: &str) -> Result<()> {
        self.processes.push(self.lab.spawn(&format!("node/{node}"), &["sh", "-c", &self.of_nodes])?);
        Ok(())
    }
}

impl Drop for Talkers<'_> {
    fn drop(&mut self) {
        for child in &mut self.processes {
            // It may have ended by itself: a node that is rebooted takes its own along.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn reaches(lab: &Lab, from: &str, to: &str) -> Result<bool> {
    lab.succeeds(from, &format!("ping -n -q -c 1 -W 1 {to}"))
}

/// All pods of the first node reach all others in both families.
fn all_reach(lab: &Lab, patience: Duration) -> Result<()> {
    for to in ["talk/a2", "talk/b2", "talk/a3"] {
        for address in lab.pod(to)?.1 {
            let what = format!("talk/a1 reaches {to} at {address}");
            eventually(&what, patience, || reaches(lab, "talk/a1", &address))?;
        }
    }
    Ok(())
}

fn nothing_in_the_clear(lab: &Lab, capture: &Capture, when: &str) -> Result<()> {
    let seen = capture.in_the_clear()?;
    ensure!(
        seen.is_empty(),
        "{when}: {} packets in the clear, such as {:?}",
        seen.len(),
        &seen[..seen.len().min(5)]
    );
    for node in NODES {
        // The second lock and the third had nothing to do: routing kept such packets away.
        if let Ok(status) = lab.status(node) {
            ensure!(status.plaintext == 0, "{when}: {node} counts {} packets", status.plaintext);
        }
    }
    eprintln!("nothing in the clear: {when}");
    Ok(())
}

fn wait(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

/// Captures the underlay of a lab of `pairs.yaml` through everything that may happen.
///
/// # Errors
/// What was seen in the clear.
pub fn through_all_events(lab: &Lab) -> Result<()> {
    all_reach(lab, Duration::from_secs(10))?;

    // The capture must be able to fail: a packet between nodes themselves is in the clear, and seen.
    let control = lab.capture()?;
    lab.shell("node/node1", "ping -n -q -c 2 -W 1 10.88.0.12")?;
    eventually("the capture sees what is in the clear", Duration::from_secs(5), || {
        Ok(!control.in_the_clear()?.is_empty())
    })?;
    drop(control);

    let capture = lab.capture()?;
    let mut talkers = Talkers::new(lab)?;
    wait(3);
    nothing_in_the_clear(lab, &capture, "agents running")?;

    for node in NODES {
        lab.lab(&["agent", "kill"], &[node])?;
    }
    wait(3);
    all_reach(lab, Duration::from_secs(1))?;
    nothing_in_the_clear(lab, &capture, "agents killed")?;

    let next = lab.another_build()?;
    for node in NODES {
        lab.lab(&["agent", "start"], &["--binary", &next.to_string_lossy(), node])?;
    }
    wait(2);
    nothing_in_the_clear(lab, &capture, "agents started again, of another build")?;

    for device in ["rf-wg0", "rf-wg1"] {
        lab.shell("node/node1", &format!("ip link del {device}"))?;
        wait(1);
    }
    all_reach(lab, Duration::from_secs(15))?;
    nothing_in_the_clear(lab, &capture, "WireGuard devices deleted, and back")?;

    lab.lab(&["agent", "kill"], &["node2"])?;
    lab.shell("node/node2", "ip link del rf-wg0; ip link del rf-wg1")?;
    wait(3);
    nothing_in_the_clear(lab, &capture, "WireGuard devices deleted with no agent to mend it")?;

    // What runs on a node goes with it, and what runs in its pods: those who talk are started anew.
    lab.lab(&["node", "reboot"], &["--no-agent", "node2"])?;
    talkers.node("node2")?;
    wait(3);
    nothing_in_the_clear(lab, &capture, "a node rebooted whose agent does not run yet")?;
    lab.lab(&["agent", "start"], &["node2"])?;
    ["talk/a2", "talk/b2"].into_iter().try_for_each(|pod| talkers.pod(pod))?;
    wait(1);
    all_reach(lab, Duration::from_secs(20))?;
    nothing_in_the_clear(lab, &capture, "a node rebooted")?;

    let encrypted = capture.matching("udp port 51871")?.len();
    ensure!(encrypted > 500, "only {encrypted} encrypted packets: who talked?");
    let to_nobody = capture.matching(&format!("host {} or host {}", NOBODY[0], NOBODY[1]))?;
    ensure!(to_nobody.is_empty(), "towards a node that nobody knows: {to_nobody:?}");
    Ok(())
}
