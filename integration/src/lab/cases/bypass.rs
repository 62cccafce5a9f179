//! P1 where somebody leads pods' traffic elsewhere: a new device, more direct routes over it, and no agent to put programs
//! onto it. The third lock, an nftables table, holds.
use crate::lab::{Capture, Lab, eventually};
use anyhow::{Context, Result, ensure};
use std::time::Duration;

/// Where the device's only neighbour is, in either family.
const BESIDE: [&str; 2] = ["198.18.7.2", "fd00:198:18::2"];
const NODE2: [&str; 2] = ["10.88.0.12", "fd00:10:88::12"];
const LOCK: &str = "ringfence-lock";

/// Addresses of `talk/a1` on the first node and of `talk/a2` on the second, IPv4 first.
struct Ends {
    here: Vec<String>,
    there: Vec<String>,
}

/// A device of the first node that leads to nobody, with better routes than ours to the other end and to its node.
fn tempt(lab: &Lab, device: &str, ends: &Ends) -> Result<()> {
    let mut script = format!(
        "set -e; ip link add {device} type veth peer name {device}-wire; ip link set {device}-wire up
         ip link set {device} up; ip addr add 198.18.7.1/24 dev {device}
         ip addr add fd00:198:18::1/64 dev {device} nodad;"
    );
    for (number, beside) in BESIDE.into_iter().enumerate() {
        let (here, there, node) = (&ends.here[number], &ends.there[number], NODE2[number]);
        let ip = ["ip", "ip -6"][number];
        // Known, otherwise packets would wait for an answer and not be seen.
        script += &format!(
            "{ip} neigh replace {beside} lladdr 02:00:00:00:00:99 dev {device}
             {ip} route replace {there} via {beside} dev {device}
             {ip} rule del pref 99 2>/dev/null || true
             {ip} rule add pref 99 from {here} to {node} lookup 99
             {ip} route replace {node} via {beside} dev {device} table 99;"
        );
    }
    lab.shell("node/node1", &script).map(drop)
}

/// The pod and its node call the other pod, the pod its node as well and a Service with backends there. Whether anybody is
/// answered does not matter.
fn talk(lab: &Lab, ends: &Ends) -> Result<()> {
    let ping = |address: &String| format!("ping -n -q -c 2 -i 0.2 -W 1 {address} >/dev/null 2>&1 & ");
    let pings: String = ends.there.iter().map(ping).collect();
    let of_pod: String = NODE2.map(str::to_owned).iter().map(ping).collect();
    let calls = "for i in 1 2 3 4 5 6 7 8; do curl -s -m 0.5 10.96.7.7 >/dev/null & done";
    lab.shell("node/node1", &format!("{pings} wait; true"))?;
    lab.shell("talk/a1", &format!("{pings} {of_pod} {calls}; wait; true")).map(drop)
}

/// What of the pods was seen beside the mesh.
fn seen(capture: &Capture, ends: &Ends) -> Result<Vec<String>> {
    let hosts: Vec<String> = ends.here.iter().chain(&ends.there).map(|a| format!("host {a}")).collect();
    capture.matching(&hosts.join(" or "))
}

/// A capture of the device's other end, which has seen a packet of the node to its neighbour.
fn watch(lab: &Lab, device: &str) -> Result<Capture> {
    let capture = lab.capture_on("node/node1", &format!("{device}-wire"))?;
    eventually("the capture sees what leaves by the device", Duration::from_secs(5), || {
        lab.shell("node/node1", &format!("ping -n -q -c 1 -W 0.1 {} || true", BESIDE[0]))?;
        Ok(!capture.matching(&format!("host {}", BESIDE[0]))?.is_empty())
    })?;
    Ok(capture)
}

/// Packets that the lock has dropped, as nft counts them.
fn locked(lab: &Lab) -> Result<u64> {
    let listing = lab.shell("node/node1", &format!("nft list counter inet {LOCK} plaintext"))?;
    let mut words = listing.split_whitespace().skip_while(|word| *word != "packets");
    words.nth(1).context("nft shows no counter")?.parse().context("no number")
}

/// In a lab of `pairs.yaml`: nothing leaves by a device that appeared while the agent was dead; it would without the lock;
/// and the agent shows what was dropped, and mends the lock.
///
/// # Errors
/// What left, or was not counted.
pub fn by_a_new_device(lab: &Lab) -> Result<()> {
    let ends = Ends { here: lab.pod("talk/a1")?.1, there: lab.pod("talk/a2")?.1 };
    ensure!(locked(lab)? == 0, "nobody has bent a route yet");
    lab.lab(&["agent", "kill"], &["node1"])?;
    tempt(lab, "astray0", &ends)?;
    let capture = watch(lab, "astray0")?;
    talk(lab, &ends)?;
    let clear = seen(&capture, &ends)?;
    ensure!(clear.is_empty(), "{} packets beside the mesh, such as {:?}", clear.len(), clear.first());
    // Two echo requests in either family from node to pod, from pod to pod and from pod to node.
    let dropped = locked(lab)?;
    ensure!(dropped >= 12, "only {dropped} packets were dropped: who talked?");

    lab.lab(&["agent", "start"], &["node1"])?;
    let shown = lab.status("node1")?;
    ensure!(shown.plaintext >= dropped, "{} packets are shown of {dropped}", shown.plaintext);

    // The control: without the lock all of them leave in the clear.
    lab.lab(&["agent", "kill"], &["node1"])?;
    lab.shell("node/node1", &format!("ip link del astray0; nft delete table inet {LOCK}"))?;
    tempt(lab, "astray1", &ends)?;
    let capture = watch(lab, "astray1")?;
    talk(lab, &ends)?;
    for address in ends.there.iter().map(String::as_str).chain(NODE2) {
        let seen = capture.matching(&format!("dst host {address}"))?;
        ensure!(!seen.is_empty(), "this test cannot fail: nothing to {address} was seen without the lock");
    }

    lab.lab(&["agent", "start"], &["node1"])?;
    eventually("the lock is back", Duration::from_secs(5), || Ok(locked(lab).is_ok()))?;
    let before = seen(&capture, &ends)?.len();
    talk(lab, &ends)?;
    let after = seen(&capture, &ends)?.len();
    ensure!(before == after, "{} packets beside the mesh although the agent is back", after - before);
    lab.shell("node/node1", "ip link del astray1; ip rule del pref 99; ip -6 rule del pref 99").map(drop)
}
