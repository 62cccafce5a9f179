//! Whose an address is: a node gets nothing by saying that it has an address, and what a node had whose object is deleted stays off
//! the wire. Needs root.
use anyhow::{Context, Result, ensure};
use ringfence_integration::lab::{Lab, eventually, manifest};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(15);
/// Nodes' addresses and little else: not the outside's, 10.88.0.1 and fd00:10:88::1.
const NODES: [&str; 4] = ["--node-cidr", "10.88.0.8/29", "--node-cidr", "fd00:10:88::10/124"];
const OUTSIDE: [&str; 2] = ["10.88.0.1", "fd00:10:88::1"];
/// Addresses of node3, where a host-network pod answers on port 9090.
const NODE3: [&str; 2] = ["10.88.0.13", "fd00:10:88::13"];

fn at(address: &str, port: u16) -> Result<SocketAddr> {
    Ok(SocketAddr::new(address.parse()?, port))
}

/// A node's object as the agents read it.
fn object(lab: &Lab, node: &str) -> Result<Value> {
    let text = std::fs::read_to_string(lab.state()?.source.join(format!("node.{node}.json")))?;
    serde_json::from_str(&text).context("a Node")
}

/// A pod of node1 gets answers from everybody it asks, each by his own name.
fn all_answer(lab: &Lab) -> Result<()> {
    let mut asked = Vec::new();
    for pod in ["talk/a2", "talk/a3"] {
        for address in lab.pod(pod)?.1 {
            asked.push((at(&address, 8080)?, pod));
        }
    }
    for number in [0, 1] {
        asked.push((at(OUTSIDE[number], 80)?, "outside"));
        asked.push((at(NODE3[number], 9090)?, "talk/host3"));
    }
    for (to, name) in asked {
        eventually(&format!("{name} answers at {to}"), SOON, || {
            let answer = lab.http("talk/a1", to, 5)?;
            ensure!(answer.as_deref().is_none_or(|said| said == name), "{to} is {answer:?}, not {name}");
            Ok(answer.is_some())
        })?;
    }
    Ok(())
}

#[test]
fn a_node_that_names_the_worlds_or_another_nodes_address_gets_nothing_that_is_sent_there_nor_costs_anybody_more()
-> Result<()> {
    let lab = Lab::up("claims", &manifest("pairs.yaml")?, &NODES)?;
    all_answer(&lab)?;
    let mut liar = object(&lab, "node2")?;
    // Older than all others, and for want of a reason to doubt it the first in everything.
    liar["metadata"]["creationTimestamp"] = json!("2000-01-01T00:00:00Z");
    let addresses = liar["status"]["addresses"].as_array_mut().context("no addresses")?;
    let lies = OUTSIDE.iter().chain(&NODE3);
    addresses.extend(lies.clone().map(|lie| json!({"type": "InternalIP", "address": lie})));
    lab.put("node.node2.json", &liar.to_string())?;
    for restarted in [false, true] {
        if restarted {
            lab.lab(&["agent", "kill"], &["node1"])?;
            lab.lab(&["agent", "start"], &["node1"])?;
        }
        eventually("every lie is told of", SOON, || {
            let status = lab.status("node1")?;
            ensure!(status.refused_nodes.is_empty(), "{:?}", status.refused_nodes);
            let told = |lie: &str| {
                let mut of_liar = status.problems.iter().filter(|p| p.object.name == "node2");
                of_liar.any(|p| p.field == "status.addresses" && p.message.starts_with(&format!("{lie} ")))
            };
            Ok(lies.clone().all(|lie| told(lie)))
        })?;
        all_answer(&lab)?;
    }
    Ok(())
}

/// Deletes the object of node3, and those of its pods as the API server's garbage collection does: a directory in which a pod names
/// a node has that node. What was deleted, by file.
fn delete_node3(lab: &Lab) -> Result<Vec<(String, String)>> {
    let source = lab.state()?.source;
    let mut deleted = Vec::new();
    for entry in std::fs::read_dir(&source)? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(source.join(&file))?;
        let object: Value = serde_json::from_str(&text).unwrap_or_default();
        if object["kind"] == "Pod" && object["spec"]["nodeName"] == "node3" {
            deleted.push((file, text));
        }
    }
    ensure!(deleted.len() == 2, "{deleted:?}");
    deleted.push(("node.node3.json".to_owned(), object(lab, "node3")?.to_string()));
    for (file, _) in &deleted {
        std::fs::remove_file(source.join(file))?;
    }
    Ok(deleted)
}

/// A pod of node1 asks node3 and its pods, who have no way to answer. Whether they do does not matter here.
fn ask(lab: &Lab, asked: &[String]) -> Result<()> {
    let pings: String =
        asked.iter().map(|a| format!("ping -n -q -c 3 -i 0.2 -W 1 {a} >/dev/null 2>&1 & ")).collect();
    let call = format!("curl --silent --max-time 1 {}:9090", NODE3[0]);
    lab.shell("talk/a1", &format!("{pings} {call}; wait; true")).map(drop)
}

#[test]
fn what_pods_send_to_a_node_whose_object_is_deleted_stays_off_the_wire_also_after_a_restart() -> Result<()> {
    let lab = Lab::up("departed", &manifest("pairs.yaml")?, &NODES)?;
    all_answer(&lab)?;
    // The node runs on, and what answers on it; its agent alone would have the lab wait for it.
    lab.lab(&["agent", "kill"], &["node3"])?;
    let mut asked = NODE3.map(str::to_owned).to_vec();
    asked.extend(lab.pod("talk/a3")?.1);
    let capture = lab.capture()?;
    let deleted = delete_node3(&lab)?;
    ask(&lab, &asked)?;
    for restarted in [false, true] {
        if restarted {
            lab.lab(&["agent", "kill"], &["node1"])?;
            ask(&lab, &asked)?;
            lab.lab(&["agent", "start"], &["node1"])?;
        }
        eventually("it is told of", SOON, || {
            let mesh = lab.status("node1")?.mesh;
            ensure!(
                !restarted || mesh.planes.iter().all(|p| p.peers.iter().all(|peer| peer.node != "node3"))
            );
            Ok(mesh.warnings.iter().any(|w| w.contains("Node node3 is gone") && w.contains(NODE3[0])))
        })?;
        ask(&lab, &asked)?;
        let seen = capture.in_the_clear()?;
        ensure!(seen.is_empty(), "{} packets in the clear, such as {:?}", seen.len(), seen.first());
        let status = lab.status("node1")?;
        ensure!(status.plaintext == 0, "routes keep them away: {} came to a lock", status.plaintext);
    }
    // The control: what the node itself sends there is in the clear, and seen.
    lab.shell("node/node1", &format!("ping -n -q -c 2 -W 1 {}", NODE3[0]))?;
    eventually("the capture sees what is in the clear", SOON, || Ok(!capture.in_the_clear()?.is_empty()))?;
    deleted.iter().try_for_each(|(file, text)| lab.put(file, text))?;
    lab.lab(&["agent", "start"], &["node3"])?;
    all_answer(&lab)
}
