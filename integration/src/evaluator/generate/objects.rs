//! Nodes, namespaces and pods.
use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::{Dice, KEYS, NAMES, PORTS, PROTOCOLS, Shape, VALUES, World};

pub(super) fn nodes_and_namespaces(world: &mut World, shape: &Shape) -> Vec<Value> {
    let mut objects = Vec::new();
    for i in 1..=world.dice.within(&shape.nodes) {
        let name = format!("node-{i}");
        let addresses = world.dual(&format!("172.30.0.1{i}"), &format!("fd00:172:30::1{i}"));
        let cidrs: Vec<String> =
            world.dual(&format!("10.244.{i}.0"), &format!("fd00:10:244:{i}::")).iter().map(cidr).collect();
        let status: Vec<Value> =
            addresses.iter().map(|a| json!({"type": "InternalIP", "address": a})).collect();
        objects.push(json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs}, "status": {"addresses": status},
        }));
        world.nodes.push((name, addresses));
    }
    for i in 0..world.dice.within(&shape.namespaces) {
        let name = format!("ns-{i}");
        if world.dice.chance(80) {
            let mut all = labels(&mut world.dice);
            all.insert("kubernetes.io/metadata.name".to_owned(), json!(name));
            objects.push(
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": all}}),
            );
        }
        world.namespaces.push(name);
    }
    objects
}

fn cidr(first: &IpAddr) -> String {
    format!("{first}/{}", if first.is_ipv4() { 24 } else { 64 })
}

/// Each key with some chance, with any of the values.
pub(super) fn labels(dice: &mut Dice) -> Map<String, Value> {
    let mut labels = Map::new();
    for key in KEYS {
        if dice.chance(60) {
            labels.insert(key.to_owned(), json!(*dice.pick(&VALUES)));
        }
    }
    labels
}

pub(super) fn pods(world: &mut World, shape: &Shape) -> Vec<Value> {
    let mut objects = Vec::new();
    let mut taken = BTreeSet::new();
    // A completed pod's address, to be given to a later pod of the same node.
    let mut free: Option<(usize, Vec<IpAddr>)> = None;
    for i in 0..world.dice.within(&shape.pods) {
        let mut node = world.dice.below(world.nodes.len());
        let host_network = world.dice.chance(10);
        let completed = !host_network && world.dice.chance(6);
        let addresses = match (host_network, free.take()) {
            (true, kept) => {
                free = kept;
                world.nodes[node].1.clone()
            }
            (false, Some((at, addresses))) => {
                node = at;
                addresses
            }
            (false, None) => new_addresses(world, node, &mut taken),
        };
        let phase = match completed {
            true => *world.dice.pick(&["Succeeded", "Failed"]),
            false => "Running",
        };
        if completed {
            free = Some((node, addresses.clone()));
        } else if !host_network {
            world.pods.push(addresses.clone());
        }
        let ports = ports(&mut world.dice, host_network, i);
        let labels = labels(&mut world.dice);
        let namespace = world.dice.pick(&world.namespaces).clone();
        let ips: Vec<Value> = addresses.iter().map(|a| json!({"ip": a})).collect();
        objects.push(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": namespace, "name": format!("pod-{i}"), "labels": labels},
            "spec": {
                "nodeName": world.nodes[node].0, "hostNetwork": host_network,
                "containers": [{"name": "main", "image": "example.org/server:1", "ports": ports}],
            },
            "status": {"phase": phase, "podIP": addresses[0], "podIPs": ips},
        }));
    }
    objects
}

fn new_addresses(world: &mut World, node: usize, taken: &mut BTreeSet<(usize, usize)>) -> Vec<IpAddr> {
    loop {
        let host = 2 + world.dice.below(250);
        if taken.insert((node, host)) {
            let node = node + 1;
            return world.dual(&format!("10.244.{node}.{host}"), &format!("fd00:10:244:{node}::{host:x}"));
        }
    }
}

/// Numbers are unique per protocol, names per pod. A hostNetwork pod's ports and host ports are the pod's own alone.
fn ports(dice: &mut Dice, host_network: bool, pod: usize) -> Vec<Value> {
    let (mut numbers, mut names, mut ports) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for i in 0..1 + dice.below(4) {
        let protocol = *dice.pick(&PROTOCOLS);
        let number = if host_network { 9100 + pod * 4 + i } else { usize::from(*dice.pick(&PORTS)) };
        if !numbers.insert((number, protocol)) {
            continue;
        }
        let mut port = json!({"containerPort": number, "protocol": protocol});
        let name = *dice.pick(&NAMES);
        if dice.chance(70) && names.insert(name) {
            port["name"] = json!(name);
        }
        if !host_network && dice.chance(10) {
            port["hostPort"] = json!(18000 + pod * 4 + i);
        }
        ports.push(port);
    }
    ports
}
