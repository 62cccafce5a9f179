//! What can be asked of keys.
use crate::cli::arguments::OutputArguments;
use crate::lab::Lab;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum KeysCommand {
    /// Show every node's keys: epochs, ages, handshakes, whom a rotation waits for
    Status {
        #[command(flatten)]
        place: PlaceArguments,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Replace keys, of all nodes unless some are named; no packet is lost
    Rotate(RotateArguments),
    /// Trust a node no more: every other one drops it at once, whatever keys it shows, until it is admitted
    Revoke(JudgeArguments),
    /// Trust a node again
    Admit(JudgeArguments),
    /// Show what became of a node's keys, from its audit log
    History(HistoryArguments),
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AuditCommand {
    /// Look for lines of audit logs that were edited, removed, reordered or cut off
    Verify(VerifyArguments),
}

/// Which cluster.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct PlaceArguments {
    /// Of this lab; its agents are asked, too
    #[arg(long, value_name = "NAME", conflicts_with = "source")]
    pub(super) lab: Option<String>,
    /// Directory that labs are kept in
    #[arg(long, default_value = Lab::DEFAULT_ROOT)]
    pub(super) root: PathBuf,
    /// Where objects are: dir:PATH, a directory of manifests; by default what this node's agent reads
    #[arg(long)]
    pub(super) source: Option<String>,
    /// This node's agent's run directory
    #[arg(long, default_value = "/run/ringfence")]
    pub(super) run_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RotateArguments {
    #[command(flatten)]
    pub(super) place: PlaceArguments,
    /// The keys of all nodes (the default)
    #[arg(long, conflicts_with = "node")]
    pub(super) all: bool,
    /// Both keys of this node alone; repeat for more
    #[arg(long, value_name = "NODE")]
    pub(super) node: Vec<String>,
    /// Make the keys that stand ready anew first
    #[arg(long, conflicts_with = "node")]
    pub(super) fresh: bool,
    /// Wait for nobody: whoever has not moved is cut. Also hastens a rotation that is under way
    #[arg(long)]
    pub(super) force: bool,
    /// Return once it has ended, and say how far each node is
    #[arg(long)]
    pub(super) wait: bool,
    /// Seconds after which that is given up (exit code 4); the rotation goes on
    #[arg(long, default_value_t = 600, requires = "wait")]
    pub(super) timeout: u64,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct JudgeArguments {
    #[command(flatten)]
    pub(super) place: PlaceArguments,
    /// The node
    pub(super) node: String,
    /// Seconds to wait until all agents that can be asked have confirmed it (exit code 4 if not)
    #[arg(long, default_value_t = 10)]
    pub(super) timeout: u64,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct HistoryArguments {
    /// Of this lab
    #[arg(long, value_name = "NAME", requires = "node")]
    pub(super) lab: Option<String>,
    /// Directory that labs are kept in
    #[arg(long, default_value = Lab::DEFAULT_ROOT)]
    pub(super) root: PathBuf,
    /// Which node of the lab
    #[arg(long)]
    pub(super) node: Option<String>,
    /// The agent's state directory
    #[arg(long, default_value = "/var/lib/ringfence")]
    pub(super) state_dir: PathBuf,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArguments {
    /// The logs of this lab's nodes, each against what the others have noted of it and what it publishes
    #[arg(long, value_name = "NAME", conflicts_with = "log")]
    pub(super) lab: Option<String>,
    /// Directory that labs are kept in
    #[arg(long, default_value = Lab::DEFAULT_ROOT)]
    pub(super) root: PathBuf,
    /// A node's log
    #[arg(long, default_value = "/var/lib/ringfence/audit.jsonl")]
    pub(super) log: PathBuf,
    /// Logs of other nodes, which keep anchors for it; repeat for more
    #[arg(long, value_name = "LOG")]
    pub(super) peer: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}
