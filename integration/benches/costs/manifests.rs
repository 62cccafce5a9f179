//! A made-up cluster as manifests, one file for each kind and namespace.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ringfence::model::{
    LabelSelector, NamespaceMatch, NetworkPolicy, Node, ObjectName, Peer, Peers, Pod, PortMatch, Ports, Rule,
};
use ringfence_keyring::{Epoch, PerPlane, PrivateKey, Publication, PublishedPlane};
use serde_json::{Value, json};

use super::cluster::{Cluster, HERE};

/// Writes all of it into a directory.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn write(cluster: &Cluster, directory: &Path) -> Result<()> {
    let mut files: BTreeMap<PathBuf, Vec<Value>> = BTreeMap::new();
    let named = |kind: &str, name: &ObjectName| directory.join(format!("{kind}.{}.json", name.namespace));
    for pod in cluster.pods.values() {
        files.entry(named("pods", &pod.name)).or_default().push(self::pod(pod));
    }
    for policy in cluster.policies.values() {
        files.entry(named("policies", &policy.name)).or_default().push(self::policy(policy));
    }
    let nodes = cluster.nodes.values().map(|n| node(n)).collect();
    files.insert(directory.join("nodes.json"), nodes);
    let namespace = |n: &String| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": cluster.namespaces[n].labels}});
    files.insert(directory.join("namespaces.json"), cluster.namespaces.keys().map(namespace).collect());
    let others = cluster.nodes.values().filter(|node| node.name != HERE);
    files.insert(directory.join("publications.json"), others.map(|n| publication(n)).collect::<Result<_>>()?);
    files.iter().try_for_each(|(path, items)| put(path, items))
}

/// Replaces the file of one kind and namespace at once, as a careful editor does.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn put(path: &Path, items: &[Value]) -> Result<()> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    // A name that no reader of manifests takes for one.
    let next = path.with_extension("new");
    std::fs::write(&next, list.to_string()).with_context(|| format!("writing {}", next.display()))?;
    std::fs::rename(&next, path).with_context(|| format!("renaming to {}", path.display()))
}

fn metadata(name: &ObjectName) -> Value {
    json!({"namespace": name.namespace, "name": name.name})
}

/// As the API server has it.
pub(crate) fn pod(pod: &Pod) -> Value {
    let mut metadata = metadata(&pod.name);
    metadata["labels"] = json!(*pod.labels);
    metadata["uid"] = json!(pod.uid);
    let ports: Vec<Value> =
        pod.ports.iter().map(|p| json!({"name": p.name, "containerPort": p.port})).collect();
    let addresses: Vec<Value> = pod.addresses.iter().map(|ip| json!({"ip": ip})).collect();
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {"nodeName": pod.node, "containers": [{"name": "main", "image": "example.com/app:1", "ports": ports}]},
        "status": {"phase": "Running", "podIPs": addresses},
    })
}

fn node(node: &Node) -> Value {
    let addresses: Vec<Value> =
        node.addresses.iter().map(|ip| json!({"type": "InternalIP", "address": ip})).collect();
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": node.name, "uid": node.uid, "labels": *node.labels},
        "spec": {"podCIDRs": node.pod_cidrs}, "status": {"addresses": addresses},
    })
}

/// Keys that nobody holds: enough for a peer that never answers.
fn publication(node: &Node) -> Result<Value> {
    let planes = PerPlane::try_from_fn(|plane| {
        let (epoch, port) = match plane {
            ringfence_keyring::Plane::Zero => (Epoch::new(0)?, 51871),
            ringfence_keyring::Plane::One => (Epoch::new(1)?, 51872),
        };
        anyhow::Ok(PublishedPlane { public_key: PrivateKey::generate()?.public(), epoch, port })
    })?;
    Ok(Publication::new(&node.name, &node.uid, Epoch::new(0)?, planes, &node.addresses)?.to_value())
}

/// As people write it.
pub(crate) fn policy(policy: &NetworkPolicy) -> Value {
    let mut spec = json!({"podSelector": selector(&policy.selector), "policyTypes": []});
    for (direction, peers, rules) in [("Ingress", "from", &policy.ingress), ("Egress", "to", &policy.egress)]
    {
        let Some(rules) = rules else { continue };
        if let Some(types) = spec["policyTypes"].as_array_mut() {
            types.push(json!(direction));
        }
        spec[direction.to_lowercase()] = rules.iter().map(|r| rule(r, peers)).collect();
    }
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": metadata(&policy.name), "spec": spec,
    })
}

fn rule(rule: &Rule, peers: &str) -> Value {
    let mut written = json!({});
    if let Peers::Only(list) = &rule.peers {
        written[peers] = list.iter().map(peer).collect();
    }
    if let Ports::Only(list) = &rule.ports {
        written["ports"] = list.iter().map(port).collect();
    }
    written
}

fn peer(peer: &Peer) -> Value {
    match peer {
        Peer::Pods { namespaces, pods } => {
            let namespaces = match namespaces {
                NamespaceMatch::Named(name) => json!({"matchLabels": {"kubernetes.io/metadata.name": name}}),
                NamespaceMatch::Selected(labels) => selector(labels),
            };
            json!({"namespaceSelector": namespaces, "podSelector": selector(pods)})
        }
        Peer::Block(block) => json!({"ipBlock": {"cidr": block.cidr, "except": block.except}}),
        Peer::Nothing => json!({}),
    }
}

fn port(port: &PortMatch) -> Value {
    match port {
        PortMatch::All(protocol) => json!({"protocol": protocol}),
        PortMatch::Range(protocol, first, last) => {
            json!({"protocol": protocol, "port": first, "endPort": last})
        }
        PortMatch::Named(protocol, name) => json!({"protocol": protocol, "port": name}),
        PortMatch::Nothing => json!({}),
    }
}

/// Made-up clusters match by labels alone.
fn selector(selector: &LabelSelector) -> Value {
    json!({"matchLabels": selector.match_labels})
}
