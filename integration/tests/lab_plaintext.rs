//! P1: between nodes there is nothing but WireGuard, whatever happens to agents, devices and nodes.
//!
//! While all pods and nodes talk, the underlay is captured through one event after the other.
use anyhow::{Result, ensure};
use ringfence_integration::lab::{Capture, Lab, eventually, manifest};
use std::process::Child;
use std::time::Duration;

const PODS: [&str; 5] = ["talk/a1", "talk/b1", "talk/a2", "talk/b2", "talk/a3"];
const NODES: [&str; 3] = ["node1", "node2", "node3"];
/// An address of a pod CIDR of the cluster that no node has.
const NOBODY: [&str; 2] = ["10.244.77.5", "fd00:10:244:77::5"];

/// Everybody sends to everybody, for ever: echo requests in both families to every pod, every node and an address that
/// nobody knows; HTTP to a host-network pod, to the Service and to its port on every node.
fn all_talk(lab: &Lab) -> Result<Vec<Child>> {
    let mut addresses: Vec<String> = NOBODY.map(str::to_owned).to_vec();
    for pod in PODS {
        addresses.extend(lab.pod(pod)?.1);
    }
    let of_nodes =
        ["10.88.0.11", "10.88.0.12", "10.88.0.13", "fd00:10:88::11", "fd00:10:88::12", "fd00:10:88::13"];
    let script = |addresses: &[String], urls: bool| {
        let pings: String =
            addresses.iter().map(|a| format!("ping -n -q -i 0.2 -W 1 {a} >/dev/null 2>&1 & ")).collect();
        // Of nodes, only what goes to pods is ours: a node's call to another node's port is between nodes.
        let ports = "10.88.0.13/9090 10.96.7.7/80 10.88.0.11/30080 10.88.0.12/30080 10.88.0.13/30080";
        let open = "timeout 1 bash -c \"exec 3<>/dev/tcp/$t; echo hello >&3; head -n1 <&3\" >/dev/null 2>&1";
        let calls = format!("while :; do for t in {ports}; do {open}; done; sleep 0.2; done");
        if urls { format!("{pings} {calls}") } else { format!("{pings} wait") }
    };
    let mut talking = Vec::new();
    let from_pods: Vec<String> =
        addresses.iter().cloned().chain(of_nodes.iter().map(|a| (*a).to_owned())).collect();
    for pod in PODS {
        talking.push(lab.spawn(pod, &["sh", "-c", &script(&from_pods, true)])?);
    }
    for node in NODES {
        talking.push(lab.spawn(&format!("node/{node}"), &["sh", "-c", &script(&addresses, false)])?);
    }
    Ok(talking)
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
        // The second lock had nothing to do: routing kept such packets away.
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

fn through_all_events(wireguard: &str) -> Result<()> {
    let lab = Lab::up("plain", &manifest("pairs.yaml")?, &["--wireguard", wireguard])?;
    all_reach(&lab, Duration::from_secs(10))?;

    // The capture must be able to fail: a packet between nodes themselves is in the clear, and seen.
    let control = lab.capture()?;
    lab.shell("node/node1", "ping -n -q -c 2 -W 1 10.88.0.12")?;
    eventually("the capture sees what is in the clear", Duration::from_secs(5), || {
        Ok(!control.in_the_clear()?.is_empty())
    })?;
    drop(control);

    let capture = lab.capture()?;
    let mut talking = all_talk(&lab)?;
    wait(3);
    nothing_in_the_clear(&lab, &capture, "agents running")?;

    for node in NODES {
        lab.lab(&["agent", "kill"], &[node])?;
    }
    wait(3);
    all_reach(&lab, Duration::from_secs(1))?;
    nothing_in_the_clear(&lab, &capture, "agents killed")?;

    let next = lab.another_build()?;
    for node in NODES {
        lab.lab(&["agent", "start"], &["--binary", &next.to_string_lossy(), node])?;
    }
    wait(2);
    nothing_in_the_clear(&lab, &capture, "agents started again, of another build")?;

    for device in ["rf-wg0", "rf-wg1"] {
        lab.shell("node/node1", &format!("ip link del {device}"))?;
        wait(1);
    }
    all_reach(&lab, Duration::from_secs(15))?;
    nothing_in_the_clear(&lab, &capture, "WireGuard devices deleted, and back")?;

    lab.lab(&["agent", "kill"], &["node2"])?;
    lab.shell("node/node2", "ip link del rf-wg0; ip link del rf-wg1")?;
    wait(3);
    nothing_in_the_clear(&lab, &capture, "WireGuard devices deleted with no agent to mend it")?;

    lab.lab(&["node", "reboot"], &["node2"])?;
    wait(1);
    all_reach(&lab, Duration::from_secs(20))?;
    nothing_in_the_clear(&lab, &capture, "a node rebooted")?;

    let encrypted = capture.matching("udp port 51871")?.len();
    ensure!(encrypted > 500, "only {encrypted} encrypted packets: who talked?");
    let to_nobody = capture.matching(&format!("host {} or host {}", NOBODY[0], NOBODY[1]))?;
    ensure!(to_nobody.is_empty(), "towards a node that nobody knows: {to_nobody:?}");
    for child in &mut talking {
        let _ = child.kill();
        let _ = child.wait();
    }
    Ok(())
}

#[test]
fn nothing_leaves_in_the_clear_through_kills_upgrades_lost_devices_and_reboots() -> Result<()> {
    through_all_events(&std::env::var("RINGFENCE_WIREGUARD").unwrap_or_else(|_| "auto".to_owned()))
}
