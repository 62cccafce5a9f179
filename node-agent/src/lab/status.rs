//! What a lab looks like from outside: `ringfence lab status -o json` prints exactly this.
use super::Lab;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// A lab.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LabStatus {
    /// Its name.
    pub name: String,
    /// Everything runs, and every agent says it is ready.
    pub ready: bool,
    /// The directory that agents read.
    pub source: PathBuf,
    /// Where logs are.
    pub logs: PathBuf,
    /// Nodes.
    pub nodes: Vec<NodeStatus>,
    /// Pods that were brought up.
    pub pods: Vec<PodStatus>,
}

/// A node of a lab.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Whether its machine runs.
    pub up: bool,
    /// `ready`, `not ready`, `silent` or `stopped`.
    pub agent: String,
    /// What the agent waits for or complains of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
    /// Process number of its first process, as the host sees it.
    pub pid: Option<u32>,
    /// Process number of its agent, as the host sees it.
    pub agent_pid: Option<u32>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// A pod of a lab.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PodStatus {
    /// `namespace/name`.
    pub name: String,
    /// Whether it answers.
    pub up: bool,
    /// The node it is on.
    pub node: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// What it answers on.
    pub ports: Vec<String>,
    /// Its network namespace below /run/netns of its node; absent: the node's own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub netns: Option<String>,
}

impl Lab {
    /// How everything is now.
    pub fn status(&self) -> LabStatus {
        let nodes: Vec<NodeStatus> = self.nodes.keys().map(|name| self.node_status(name)).collect();
        let pods: Vec<PodStatus> = self
            .pods
            .iter()
            .map(|(name, pod)| {
                // On the host network the node's responder answers.
                let node = self.nodes.get(&pod.node);
                let responder =
                    if pod.netns.is_some() { pod.responder } else { node.and_then(|n| n.responder) };
                PodStatus {
                    name: name.clone(),
                    up: responder.is_some_and(|r| r.alive()),
                    node: pod.node.clone(),
                    addresses: pod.addresses.clone(),
                    ports: pod.ports.iter().filter_map(|p| Some(p.split_once('=')?.0.to_owned())).collect(),
                    netns: pod.netns.clone(),
                }
            })
            .collect();
        let ready = nodes.iter().all(|n| n.up && n.agent == "ready") && pods.iter().all(|p| p.up);
        LabStatus {
            name: self.name.clone(),
            ready: ready && self.dead().is_empty(),
            source: self.source(),
            logs: self.root.join("logs"),
            nodes,
            pods,
        }
    }

    fn node_status(&self, name: &str) -> NodeStatus {
        let machine = self.machines.get(name).filter(|m| m.init.alive());
        let agent = self.nodes.get(name).and_then(|n| n.agent).filter(|agent| agent.alive());
        let (state, note) = match agent.map(|_| self.report(name)) {
            None => ("stopped", None),
            Some(Err(e)) => ("silent", Some(e.to_string())),
            Some(Ok(report)) if report.ready => ("ready", None),
            Some(Ok(report)) => ("not ready", Some(format!("waiting for {}", report.waiting_for.join(", ")))),
        };
        NodeStatus {
            name: name.to_owned(),
            up: machine.is_some(),
            agent: state.to_owned(),
            note,
            pid: machine.map(|m| m.init.pid),
            agent_pid: agent.map(|a| a.pid),
            addresses: self.nodes.get(name).map(|n| n.addresses.clone()).unwrap_or_default(),
        }
    }
}
