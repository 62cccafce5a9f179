//! ringfence
use anyhow::Result;
use clap::{Parser, Subcommand};
use ringfence::userspace;

/// Encrypts pod traffic between nodes and enforces NetworkPolicy
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a userspace WireGuard device (started by the agent where the kernel has no WireGuard)
    #[command(hide = true)]
    WireguardUserspace(userspace::Args),
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::WireguardUserspace(args) => Ok(userspace::run(&args)?),
    }
}
