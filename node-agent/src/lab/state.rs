//! What a lab remembers of itself between commands: `lab.json`.
use super::LabError;
use super::machine::Machine;
use super::process::Process;
use ipnetwork::IpNetwork;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A pod that was brought up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabPod {
    /// The node it is on.
    pub node: String,
    /// Its network namespace on that node, also its container id; `None`: the node's own (host network).
    pub netns: Option<String>,
    /// `metadata.uid`.
    pub uid: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// What it was asked to serve, as `ringfence lab respond` takes it.
    pub ports: Vec<String>,
    /// What answers in it; on the host network it is the node's.
    pub responder: Option<Process>,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabNode {
    /// Its addresses on the underlay.
    pub addresses: Vec<IpAddr>,
    /// Its pod CIDRs.
    pub pod_cidrs: Vec<IpNetwork>,
    /// Number of its MAC address and of its port on the underlay's bridge.
    pub number: u16,
    /// Its agent, as last started.
    pub agent: Option<Process>,
    /// What answers for its host-network pods.
    pub responder: Option<Process>,
    /// The ports that one was started with.
    pub serves: Vec<String>,
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
    /// More arguments of every agent.
    pub agent_arguments: Vec<String>,
    /// The outside's own addresses, the nodes' default gateways.
    pub gateways: Vec<IpAddr>,
    /// All machines by name.
    pub machines: BTreeMap<String, Machine>,
    /// Nodes by name.
    pub nodes: BTreeMap<String, LabNode>,
    /// Pods by `namespace/name`.
    pub pods: BTreeMap<String, LabPod>,
    /// Number of the next pod sandbox: no two have one name.
    pub sandboxes: u64,
}

impl Lab {
    /// Where labs of this machine are unless told otherwise.
    pub const DEFAULT_ROOT: &'static str = "/run/ringfence-lab";

    /// Reads the record of the lab `name` under `labs`.
    ///
    /// # Errors
    /// [`LabError::Unknown`] if there is none; [`LabError::State`] if it is damaged.
    pub fn open(labs: &Path, name: &str) -> Result<Self, LabError> {
        let path = labs.join(name).join("lab.json");
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

    /// Keeps other commands from changing the lab `name` under `labs` until dropped.
    ///
    /// # Errors
    /// [`LabError::File`]; [`LabError::Unknown`] if there is no such lab.
    pub fn lock(labs: &Path, name: &str) -> Result<Flock<File>, LabError> {
        let path = labs.join(name).join("lock");
        let file = match File::create(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let remedy = format!("`ringfence lab up --name {name} DIR` makes one");
                return Err(LabError::Unknown { kind: "lab", name: name.to_owned(), remedy });
            }
            other => other.map_err(LabError::file("open", &path))?,
        };
        Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| LabError::file("lock", &path)(errno.into()))
    }

    /// Writes the record, whole or not at all.
    ///
    /// # Errors
    /// [`LabError::File`].
    pub fn save(&self) -> Result<(), LabError> {
        let path = self.root.join("lab.json");
        let new = self.root.join(".lab.json.new");
        let text = serde_json::to_vec_pretty(self)
            .map_err(|source| LabError::State { path: path.clone(), source })?;
        std::fs::write(&new, text).map_err(LabError::file("write", &new))?;
        std::fs::rename(&new, &path).map_err(LabError::file("replace", &path))
    }

    /// The directory that every agent of the lab reads, in place of the API server.
    pub fn source(&self) -> PathBuf {
        self.root.join("source")
    }

    /// What belongs to one node and outlives its reboot: its agent's state, its CNI files.
    pub fn node_dir(&self, node: &str) -> PathBuf {
        self.root.join("nodes").join(node)
    }

    /// Where what runs on a machine logs.
    pub fn log(&self, machine: &str, what: &str) -> PathBuf {
        self.root.join("logs").join(format!("{machine}.{what}.log"))
    }

    /// The machine of that name.
    ///
    /// # Errors
    /// [`LabError::Unknown`].
    pub fn machine(&self, name: &str) -> Result<&Machine, LabError> {
        self.machines.get(name).ok_or_else(|| LabError::Unknown {
            kind: "node",
            name: name.to_owned(),
            remedy: format!("there are: {}", self.machines.keys().cloned().collect::<Vec<_>>().join(", ")),
        })
    }

    /// The node of that name.
    ///
    /// # Errors
    /// [`LabError::Unknown`].
    pub fn node(&self, name: &str) -> Result<&LabNode, LabError> {
        self.nodes.get(name).ok_or_else(|| LabError::Unknown {
            kind: "node",
            name: name.to_owned(),
            remedy: format!("there are: {}", self.nodes.keys().cloned().collect::<Vec<_>>().join(", ")),
        })
    }

    pub(super) fn node_mut(&mut self, name: &str) -> Result<&mut LabNode, LabError> {
        self.node(name)?;
        Ok(self.nodes.entry(name.to_owned()).or_default())
    }

    /// The pod of that name (`namespace/name`).
    ///
    /// # Errors
    /// [`LabError::Unknown`].
    pub fn pod(&self, name: &str) -> Result<&LabPod, LabError> {
        self.pods.get(name).ok_or_else(|| LabError::Unknown {
            kind: "pod",
            name: name.to_owned(),
            remedy: "`ringfence lab status` lists them".to_owned(),
        })
    }
}
