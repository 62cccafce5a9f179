//! What can be asked on the command line.
use super::keys::{AuditCommand, KeysCommand};
use super::lab::LabCommand;
use super::values::{Networks, networks, span};
use crate::apply::mesh::BackendChoice;
use crate::lab::Lab;
use crate::userspace;
use clap::{Args, Parser, Subcommand, ValueEnum};
use ringfence_abi::Mark;
use std::path::PathBuf;
use std::time::Duration;

const EXIT_CODES: &str = "Exit codes:\n  0  done; for `status`: the node is ready\n  1  failed; the reason is on standard error\n  2  \
                          the command line makes no sense\n  3  `status`: the agent answers, but the node is not ready; `audit verify`: a log was changed\n  4  \
                          `keys rotate --wait`, `keys revoke`, `keys admit`: it has not ended in time, and goes on";

/// Encrypts pod traffic between nodes and lets only permitted pods talk to each other.
#[derive(Debug, Parser)]
#[command(name = "ringfence", version, after_help = EXIT_CODES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run this node's agent: form the mesh, enforce policy, attach pods
    Agent(Box<AgentArguments>),
    /// Act as CNI plugin (container runtimes call it; they set CNI_COMMAND)
    Cni,
    /// Show mesh, endpoints, what is enforced, drops by reason
    Status(StatusArguments),
    /// Take everything away from this node: programs, tables, devices, routes, rules, configuration
    Uninstall(UninstallArguments),
    /// At boot, before the agent: keep pod traffic off the wire until there is a mesh
    Guard(GuardArguments),
    /// Put this program where container runtimes look for CNI plugins
    InstallPlugin(PluginArguments),
    /// Run a userspace WireGuard device (the agent starts it where the kernel has no WireGuard)
    #[command(hide = true)]
    WireguardUserspace(userspace::Args),
    /// A cluster on this machine, out of network namespaces: for demos, development and tests
    Lab {
        /// What to do.
        #[command(subcommand)]
        command: LabCommand,
    },
    /// Keys of nodes: show, rotate, revoke
    Keys {
        /// What to do.
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// The record of what became of keys
    Audit {
        /// What to do.
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Ask what policies say
    Policy {
        /// What to ask.
        #[command(subcommand)]
        command: PolicyCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Answer queries (JSON lines), each with "verdict": "allow" or "deny" and the policies that decided
    Verdicts(VerdictsArguments),
}

#[derive(Debug, Args)]
pub(super) struct AgentArguments {
    /// Name of this node's Node object
    #[arg(long, env = "NODE_NAME")]
    pub(super) node: String,
    /// Where objects come from: kube, the API server; dir:PATH, a directory of manifests
    #[arg(long)]
    pub(super) source: String,
    /// With --source kube: a kubeconfig. Else, as kubectl: KUBECONFIG, ~/.kube/config, and in a pod its service account
    #[arg(long, value_name = "PATH")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// With --source kube: a context of the kubeconfig, instead of its current one
    #[arg(long, value_name = "NAME")]
    pub(super) context: Option<String>,
    /// Keys, attached pods, and what `guard` needs after a reboot
    #[arg(long, default_value = "/var/lib/ringfence")]
    pub(super) state_dir: PathBuf,
    /// The agent's socket is made here
    #[arg(long, default_value = "/run/ringfence")]
    pub(super) run_dir: PathBuf,
    /// Tables and links are pinned here; on a bpffs, which is mounted if need be; one directory per agent
    #[arg(long, default_value = "/sys/fs/bpf/ringfence")]
    pub(super) bpffs: PathBuf,
    /// Which WireGuard encrypts
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto)]
    pub(super) wireguard: BackendChoice,
    /// Pod CIDRs of the whole cluster, one a family. Pod traffic to them never leaves this node in the clear
    #[arg(long = "cluster-cidr", value_name = "CIDR[,CIDR]", env = "RINGFENCE_CLUSTER_CIDRS", value_parser = networks)]
    pub(super) cluster_cidrs: Vec<Networks>,
    /// Where nodes' addresses are; repeat for more. What a Node object names outside of them is not taken for that node's
    #[arg(long = "node-cidr", value_name = "CIDR[,CIDR]", env = "RINGFENCE_NODE_CIDRS", value_parser = networks)]
    pub(super) node_cidrs: Vec<Networks>,
    /// Pods' packets to what a deleted Node object had, or a living one no longer names, are dropped for so long, unless it is back or a newer node has it
    #[arg(long, default_value = "1h", value_parser = span)]
    pub(super) hold_departed: Duration,
    /// How far our five bits of the packet mark are shifted left
    #[arg(long, default_value_t = Mark::SHIFT_DEFAULT, value_parser = clap::value_parser!(u32).range(0..=27))]
    pub(super) mark_shift: u32,
    /// UDP ports of the two WireGuard devices
    #[arg(long, num_args = 2, default_values_t = [51871, 51872], value_names = ["PORT0", "PORT1"])]
    pub(super) ports: Vec<u16>,
    /// Entries of the flow table
    #[arg(long, default_value_t = 262_144)]
    pub(super) flow_entries: u32,
    /// Entries that tables start with; they grow
    #[arg(long, default_value_t = 4096)]
    pub(super) table_entries: u32,
    /// How programs are attached; auto: TCX where the kernel has it (6.6)
    #[arg(long, value_enum, default_value_t = AttachChoice::Auto)]
    pub(super) attach: AttachChoice,
    /// Install a CNI configuration here once the node is ready
    #[arg(long)]
    pub(super) cni_conf_dir: Option<PathBuf>,
    /// Keys of the whole mesh are rotated so often: 24h, 90m, 30s; 0 is only when somebody asks. One agent sees to it
    #[arg(long, default_value = "24h", value_parser = span)]
    pub(super) rotate_every: Duration,
    /// Log as text or as JSON lines; what is logged is RUST_LOG's to say
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(super) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum AttachChoice {
    /// By the kernel's version
    Auto,
    /// TCX links
    Tcx,
    /// Filters of a clsact qdisc
    Clsact,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// For machines
    Json,
}

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// The agent's run directory
    #[arg(long, default_value = "/run/ringfence")]
    pub(super) run_dir: PathBuf,
    /// Seconds to wait for the agent
    #[arg(long, default_value_t = 5)]
    pub(super) timeout: u64,
    /// Say nothing; exit with 0 if the agent answers, ready or not: what a liveness probe asks
    #[arg(long, conflicts_with = "output")]
    pub(super) alive: bool,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(super) struct PluginArguments {
    /// The runtime's directory of plugins
    #[arg(long, default_value = "/opt/cni/bin")]
    pub(super) bin_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct UninstallArguments {
    /// The agent's state directory
    #[arg(long, default_value = "/var/lib/ringfence")]
    pub(super) state_dir: PathBuf,
    /// The agent's run directory
    #[arg(long, default_value = "/run/ringfence")]
    pub(super) run_dir: PathBuf,
    /// Its pin directory
    #[arg(long, default_value = "/sys/fs/bpf/ringfence")]
    pub(super) bpffs: PathBuf,
    /// Remove our CNI configuration from here
    #[arg(long)]
    pub(super) cni_conf_dir: Option<PathBuf>,
    /// Also remove the state directory: keys, attached pods
    #[arg(long)]
    pub(super) purge: bool,
}

#[derive(Debug, Args)]
pub(super) struct GuardArguments {
    /// The agent's state directory
    #[arg(long, default_value = "/var/lib/ringfence")]
    pub(super) state_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct VerdictsArguments {
    /// Who answers
    #[arg(long, value_enum, default_value_t = EngineChoice::Model)]
    pub(super) engine: EngineChoice,
    /// Directory of manifests
    #[arg(long)]
    pub(super) manifests: PathBuf,
    /// File of queries, one JSON object a line; - is standard input
    #[arg(long)]
    pub(super) queries: PathBuf,
    /// With engine lab: one that is up, which is made to hold these manifests and stays; else one is made and taken away
    #[arg(long, value_name = "NAME")]
    pub(super) lab: Option<String>,
    /// Directory that labs are kept in
    #[arg(long, default_value = Lab::DEFAULT_ROOT)]
    pub(super) root: PathBuf,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

/// The engines that exist.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum EngineChoice {
    /// The compiler's own tables, read as the programs read them
    Model,
    /// The real eBPF programs, run on packets by BPF_PROG_TEST_RUN; needs root
    Kernel,
    /// Real packets through the real mesh of a lab; needs root
    Lab,
}

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct OutputArguments {
    /// Format; by default a table for people, but JSON lines where lines were given
    #[arg(short, long, value_enum)]
    pub(super) output: Option<Format>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// For machines
    Json,
    /// For machines and people
    Yaml,
}
