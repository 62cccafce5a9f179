//! What can be asked of labs.
use crate::apply::mesh::BackendChoice;
use crate::cli::arguments::OutputArguments;
use crate::lab::Lab;
use crate::lab::respond::Port;
use crate::model::Protocol;
use clap::{Args, Subcommand, ValueEnum};
use ipnetwork::IpNetwork;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LabCommand {
    /// Build a cluster on this machine out of network namespaces, from manifests
    Up(UpArguments),
    /// Take a lab away, whatever state it is in
    Down(LabSelection),
    /// Show nodes and pods of a lab
    Status {
        #[command(flatten)]
        lab: LabSelection,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Run a command inside: lab exec shop/web -- curl http://10.96.0.5
    Exec {
        #[command(flatten)]
        lab: LabSelection,
        /// NAMESPACE/POD, node/NAME, underlay or outside
        target: String,
        /// The command
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Add or replace objects, as `kubectl apply` would; returns once that is enforced
    Apply {
        #[command(flatten)]
        lab: LabSelection,
        /// Manifests: a file or directory
        #[arg(short, long = "file", required = true)]
        files: Vec<PathBuf>,
    },
    /// Remove objects: lab delete networkpolicy shop/db, or lab delete -f FILE
    Delete {
        #[command(flatten)]
        lab: LabSelection,
        /// Remove what these manifests hold
        #[arg(short, long = "file", conflicts_with = "object")]
        files: Vec<PathBuf>,
        /// KIND and NAMESPACE/NAME
        #[arg(num_args = 2, required_unless_present = "files", value_names = ["KIND", "NAME"])]
        object: Vec<String>,
    },
    /// Kill, stop or start a node's agent
    Agent {
        /// What to do with it.
        #[command(subcommand)]
        command: AgentCommand,
    },
    /// What happens to nodes
    Node {
        /// What happens.
        #[command(subcommand)]
        command: NodeCommand,
    },
    /// The first process of a machine of a lab
    #[command(hide = true)]
    Machine {
        #[arg(long)]
        root: PathBuf,
        #[arg(long)]
        machine: String,
    },
    /// Answer on ports with a name
    #[command(hide = true)]
    Respond {
        #[arg(long)]
        address: Vec<IpAddr>,
        #[arg(long)]
        port: Vec<Port>,
    },
    /// Try connections: attempts in, outcomes out, a JSON line each
    #[command(hide = true)]
    Probe {
        #[arg(long, default_value_t = 256)]
        at_once: usize,
    },
    /// Talk to a pod without pause until standard input ends: how much was sent and answered, as JSON lines
    #[command(hide = true)]
    Stream {
        #[arg(long)]
        to: SocketAddr,
        #[arg(long, default_value = "TCP", value_parser = protocol)]
        protocol: Protocol,
        #[arg(long, default_value_t = 10)]
        interval_ms: u64,
        /// Ask to be talked to, then only listen
        #[arg(long)]
        listen: bool,
    },
}

/// Which lab.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct LabSelection {
    /// Name of the lab
    #[arg(long, default_value = "lab", value_parser = name)]
    pub(in crate::cli) name: String,
    /// Directory that labs are kept in
    #[arg(long, default_value = Lab::DEFAULT_ROOT)]
    pub(in crate::cli) root: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct UpArguments {
    #[command(flatten)]
    pub(super) lab: LabSelection,
    /// How many nodes, if the manifests have none
    #[arg(long, default_value_t = 3)]
    pub(super) nodes: usize,
    /// Which WireGuard encrypts
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto)]
    pub(super) wireguard: BackendChoice,
    /// Families of the addresses that manifests leave open
    #[arg(long, value_enum, default_value_t = Family::Dual)]
    pub(super) family: Family,
    /// The binary that agents run; this one
    #[arg(long, value_name = "BINARY")]
    pub(super) agent: Option<PathBuf>,
    /// Where nodes' addresses are, to every agent; repeat for more; the /16s and /48s of those that they have
    #[arg(long = "node-cidr", value_name = "CIDR")]
    pub(super) node_cidrs: Vec<IpNetwork>,
    /// One more argument of every agent; repeat for more
    #[arg(long = "agent-argument", value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub(super) agent_arguments: Vec<String>,
    /// Manifests: files or directories
    #[arg(required = true)]
    pub(super) manifests: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Family {
    /// IPv4 and IPv6
    Dual,
    /// IPv4
    V4,
    /// IPv6
    V6,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AgentCommand {
    /// End it at once (SIGKILL)
    Kill {
        #[command(flatten)]
        lab: LabSelection,
        /// The node
        node: String,
    },
    /// Let it stop (SIGTERM)
    Stop {
        #[command(flatten)]
        lab: LabSelection,
        /// The node
        node: String,
    },
    /// Start it, bring up the pods that waited for it, return once it is ready
    Start {
        #[command(flatten)]
        lab: LabSelection,
        /// The node
        node: String,
        /// Another binary than the lab's
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// Stop and start it
    Restart {
        #[command(flatten)]
        lab: LabSelection,
        /// The node
        node: String,
        /// Another binary than the lab's: an upgrade
        #[arg(long)]
        binary: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum NodeCommand {
    /// The node loses power and boots: what ran is gone, its disk stays
    Reboot {
        #[command(flatten)]
        lab: LabSelection,
        /// The node
        node: String,
        /// Do not start the agent; `lab agent start` does
        #[arg(long)]
        no_agent: bool,
    },
}

/// A name becomes part of a path and of a device's.
fn name(text: &str) -> Result<String, String> {
    let fits = (1..=40).contains(&text.len());
    if fits && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        Ok(text.to_owned())
    } else {
        Err("a lab's name is of lower case letters, digits and hyphens, at most 40".to_owned())
    }
}

fn protocol(text: &str) -> Result<Protocol, String> {
    Protocol::ALL.into_iter().find(|p| p.to_string() == text).ok_or_else(|| "TCP, UDP or SCTP".to_owned())
}
