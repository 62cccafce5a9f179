//! What an agent is told when it starts.
use crate::apply::bpf::AttachMode;
use crate::apply::mesh::BackendChoice;
use crate::control::SOCKET;
use crate::watch::kube::Access;
use ipnetwork::IpNetwork;
use ringfence_keyring::PerPlane;
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where objects come from, and where this agent writes its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ObjectSource {
    /// A directory of manifests.
    Directory(PathBuf),
    /// The API server.
    Kube(Access),
}

/// As `--source` has it.
impl fmt::Display for ObjectSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "dir:{}", path.display()),
            Self::Kube(_) => f.write_str("kube"),
        }
    }
}

/// Settings of one agent. The directories are its own: two agents with one in common would undo each other's work.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of its Node object.
    pub node: String,
    /// Where objects come from.
    pub source: ObjectSource,
    /// Keys, endpoints, what `guard` needs.
    pub state_dir: PathBuf,
    /// Where its socket is.
    pub run_dir: PathBuf,
    /// Pin directory.
    pub bpffs: PathBuf,
    /// Which WireGuard.
    pub wireguard: BackendChoice,
    /// Pod CIDRs of the whole cluster.
    pub cluster_cidrs: BTreeSet<IpNetwork>,
    /// Where nodes' addresses are; empty: anywhere.
    pub node_cidrs: BTreeSet<IpNetwork>,
    /// How long what a Node object had stays closed to pods after the object is gone.
    pub hold_departed: Duration,
    /// How far the mark's bits are shifted.
    pub mark_shift: u32,
    /// UDP ports of the planes, host order.
    pub ports: PerPlane<u16>,
    /// Entries of the flow table.
    pub flow_entries: u32,
    /// Entries that tables start with.
    pub table_entries: u32,
    /// How programs are attached.
    pub attach: AttachMode,
    /// Where to install a CNI configuration, if anywhere.
    pub cni_conf_dir: Option<PathBuf>,
    /// After how long the mesh's epoch is raised without anybody asking; `None`: never.
    pub rotate_every: Option<Duration>,
    /// How long tasks may take to stop.
    pub drain: Duration,
}

impl Config {
    /// The agent's socket.
    pub fn socket(&self) -> PathBuf {
        self.run_dir.join(SOCKET)
    }

    /// Where private keys are kept.
    pub fn keys(&self) -> PathBuf {
        self.state_dir.join("keys")
    }
}
