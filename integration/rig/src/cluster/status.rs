//! What there is of a cluster.
use super::{Cluster, node_name};
use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;

/// A cluster as its API server sees it.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Its directory.
    pub root: PathBuf,
    /// What its administrator's kubectl reads.
    pub kubeconfig: PathBuf,
    /// Machines whose first process runs.
    pub machines: Vec<String>,
    /// Its nodes, in order.
    pub nodes: Vec<NodeStatus>,
}

/// A node.
#[derive(Clone, Debug, Serialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Whether it takes pods.
    pub ready: bool,
    /// What it says of that.
    pub why: String,
    /// Its addresses; none before its kubelet has spoken.
    pub addresses: Vec<String>,
    /// Addresses of its pods.
    pub pod_cidrs: Vec<String>,
}

impl Cluster {
    /// Asks the API server.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn status(&self) -> Result<Status> {
        let found = if self.options.nodes == 0 { Value::Null } else { self.get(&["nodes"])? };
        let objects = found["items"].as_array().cloned().unwrap_or_default();
        let of = |name: String| {
            let object = objects.iter().find(|object| object["metadata"]["name"] == name.as_str());
            object.map_or_else(|| absent(&name), |object| node(&name, object))
        };
        let running = self.machines.iter().filter(|(_, machine)| machine.init.runs());
        Ok(Status {
            root: self.root.clone(),
            kubeconfig: self.kubeconfig(),
            machines: running.map(|(name, _)| name.clone()).collect(),
            nodes: self.nodes().map(|number| of(node_name(number))).collect(),
        })
    }
}

fn absent(name: &str) -> NodeStatus {
    let why = "there is no such Node object".to_owned();
    NodeStatus { name: name.to_owned(), ready: false, why, addresses: Vec::new(), pod_cidrs: Vec::new() }
}

fn node(name: &str, object: &Value) -> NodeStatus {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let conditions = list(&object["status"]["conditions"]);
    let condition = conditions.iter().find(|condition| condition["type"] == "Ready");
    let addresses = list(&object["status"]["addresses"]);
    NodeStatus {
        name: name.to_owned(),
        ready: condition.is_some_and(|condition| condition["status"] == "True"),
        why: condition.map_or_else(|| "its kubelet has not spoken".to_owned(), |c| text(&c["message"])),
        addresses: addresses
            .iter()
            .filter(|address| address["type"] == "InternalIP")
            .map(|address| text(&address["address"]))
            .collect(),
        pod_cidrs: list(&object["spec"]["podCIDRs"]).iter().map(text).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_whose_kubelet_has_not_spoken_is_not_ready_and_says_so() {
        let object = json!({"metadata": {"name": "a"}, "spec": {"podCIDRs": ["10.0.0.0/24"]}, "status": {}});
        let seen = node("a", &object);
        assert!(!seen.ready && seen.addresses.is_empty());
        assert_eq!(seen.why, "its kubelet has not spoken");
        assert_eq!(seen.pod_cidrs, ["10.0.0.0/24"]);
    }

    #[test]
    fn only_the_condition_ready_makes_a_node_ready() {
        let with = |kind: &str, status: &str| {
            node("a", &json!({"status": {"conditions": [{"type": kind, "status": status, "message": "m"}]}}))
        };
        assert!(with("Ready", "True").ready);
        assert!(!with("Ready", "Unknown").ready && !with("DiskPressure", "True").ready);
    }
}
