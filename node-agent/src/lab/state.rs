//! What a lab remembers of itself between commands: `lab.json`.
use super::LabError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// First process of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its name: `underlay`, `outside` or a node's.
    pub name: String,
    /// Process number as the host sees it.
    pub pid: u32,
    /// Its start time (clock ticks since boot), so that another process with its number is not taken for it.
    pub started: u64,
}

/// A pod that was brought up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabPod {
    /// The node it is on.
    pub node: String,
    /// Its network namespace on that node, also its container id; `None`: the node's own (host network).
    pub netns: Option<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// The record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lab {
    /// Its name.
    pub name: String,
    /// Directory that holds all of it.
    pub root: PathBuf,
    /// The binary that agents run.
    pub agent: PathBuf,
    /// `auto`, `kernel` or `userspace`.
    pub wireguard: String,
    /// All machines by name.
    pub machines: BTreeMap<String, Machine>,
    /// Nodes in order, with their underlay addresses.
    pub nodes: BTreeMap<String, Vec<IpAddr>>,
    /// Pods by `namespace/name`.
    pub pods: BTreeMap<String, LabPod>,
}

impl Lab {
    /// Where labs of this machine are unless told otherwise.
    pub const DEFAULT_ROOT: &'static str = "/run/ringfence-lab";

    /// Reads the record of the lab `name` under `root`.
    pub fn open(root: &Path, name: &str) -> Result<Self, LabError> {
        let path = root.join(name).join("lab.json");
        let text = std::fs::read_to_string(&path).map_err(|source| {
            if source.kind() == std::io::ErrorKind::NotFound {
                let remedy = format!("`ringfence lab up --name {name} DIR` makes one");
                LabError::Unknown { kind: "lab", name: name.to_owned(), remedy }
            } else {
                LabError::File { operation: "read", path: path.clone(), source }
            }
        })?;
        serde_json::from_str(&text).map_err(|source| LabError::State { path, source })
    }

    /// Writes the record, whole or not at all.
    pub fn save(&self) -> Result<(), LabError> {
        let path = self.root.join("lab.json");
        let new = self.root.join(".lab.json.new");
        let text = serde_json::to_vec_pretty(self)
            .map_err(|source| LabError::State { path: path.clone(), source })?;
        let file = |operation| {
            let path = path.clone();
            move |source| LabError::File { operation, path, source }
        };
        std::fs::write(&new, text).map_err(file("write"))?;
        std::fs::rename(&new, &path).map_err(file("replace"))
    }

    /// The directory that every agent of the lab reads, in place of the API server.
    pub fn source(&self) -> PathBuf {
        self.root.join("source")
    }

    /// What belongs to one node: its agent's state, its CNI files, logs.
    pub fn node_dir(&self, node: &str) -> PathBuf {
        self.root.join("nodes").join(node)
    }

    /// The machine of that name.
    pub fn machine(&self, name: &str) -> Result<&Machine, LabError> {
        self.machines.get(name).ok_or_else(|| LabError::Unknown {
            kind: "node",
            name: name.to_owned(),
            remedy: format!("there are: {}", self.machines.keys().cloned().collect::<Vec<_>>().join(", ")),
        })
    }

    /// The pod of that name (`namespace/name`).
    pub fn pod(&self, name: &str) -> Result<&LabPod, LabError> {
        self.pods.get(name).ok_or_else(|| LabError::Unknown {
            kind: "pod",
            name: name.to_owned(),
            remedy: "`ringfence lab status` lists them".to_owned(),
        })
    }
}
