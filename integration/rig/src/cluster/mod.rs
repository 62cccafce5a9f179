//! A cluster: what it is made of, and what one does with it.

mod control_plane;
mod down;
mod image_import;
mod install;
mod kubeconfig;
mod kubectl;
mod layout;
mod node;
mod node_files;
mod pki;
mod status;
mod underlay;
mod up;

pub use control_plane::DAEMONS;
pub use down::down;
pub use layout::{Families, node_name};
pub use node_files::{CNI_BIN, PAUSE};
pub use status::{NodeStatus, Status};
pub use underlay::{BRIDGE, DEVICE};
pub use up::up;

use crate::build::Programs;
use crate::machine::{self, Machine};
use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The machine of the control plane.
pub const CONTROL_PLANE: &str = "control-plane";
/// Where clusters are by default. containerd's layers are there, so it is on a disk, and on no overlay.
pub const DEFAULT_ROOT: &str = "/var/tmp/ringfence-clusters";
/// What a cluster is made of, in its directory.
const STATE: &str = "cluster.json";

/// How kube-proxy does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum, Default)]
#[serde(rename_all = "lowercase")]
pub enum ProxyMode {
    /// By nftables
    #[default]
    Nftables,
    /// By iptables
    Iptables,
}

impl std::fmt::Display for ProxyMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
        })
    }
}

/// What a cluster shall be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// How many nodes, from 0 (a control plane alone) on.
    pub nodes: u8,
    /// Which kinds of addresses.
    pub families: Families,
    /// kube-proxy's mode.
    pub proxy: ProxyMode,
}

impl Default for Options {
    fn default() -> Self {
        Self { nodes: 3, families: Families::default(), proxy: ProxyMode::default() }
    }
}

/// A cluster that is up, or was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cluster {
    /// Its directory, whose last part is its name.
    pub root: PathBuf,
    /// What it shall be.
    pub options: Options,
    /// Kubernetes' programs.
    pub programs: Programs,
    /// This crate's program.
    rig: PathBuf,
    /// Its machines by name.
    machines: BTreeMap<String, Machine>,
}

impl Cluster {
    /// One that somebody has taken up at `root`.
    ///
    /// # Errors
    /// If there is none.
    pub fn open(root: &Path) -> Result<Self> {
        let path = root.join(STATE);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("there is no cluster at {}", root.display()))?;
        serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
    }

    /// Writes down what there is, so that another process can go on with it.
    fn save(&self) -> Result<()> {
        let (path, next) = (self.root.join(STATE), self.root.join(format!(".{STATE}")));
        let text = serde_json::to_string_pretty(self).context("writing the cluster's state")?;
        let written = std::fs::write(&next, text).and_then(|()| std::fs::rename(&next, &path));
        written.with_context(|| format!("writing {}", path.display()))
    }

    /// A machine: [`CONTROL_PLANE`], or a node's by its name.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn machine(&self, name: &str) -> Result<&Machine> {
        let known = || self.machines.keys().cloned().collect::<Vec<_>>().join(", ");
        self.machines.get(name).with_context(|| format!("no machine {name}; there are {}", known()))
    }

    /// Numbers of its nodes.
    pub fn nodes(&self) -> impl Iterator<Item = u8> + use<> {
        1..=self.options.nodes
    }

    /// The kubeconfig of its administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    /// What machines see of the host beside the cluster's directory.
    fn shared(&self) -> Vec<PathBuf> {
        vec![self.programs.directory.clone()]
    }

    /// Starts a machine and notes it.
    fn start_machine(&mut self, name: &str) -> Result<Machine> {
        let shared = self.shared();
        let plan = machine::Plan { root: &self.root, name, shared: &shared, node: name != CONTROL_PLANE };
        let machine = Machine::start(&self.rig, &plan)?;
        self.machines.insert(name.to_owned(), machine.clone());
        self.save()?;
        Ok(machine)
    }
}
