//! `cargo xtask bench [NAME]`: what it costs, as ratios, next to others in the same run.

use std::process::ExitCode;

use anyhow::{Result, bail};
use ringfence_bootstrap::{is_root, progress};

use crate::{repo, setup};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which bench; without one all of them, and docs/benchmarks.md is written anew
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// A tenth of the time: to see that it works, not to quote
    #[arg(long)]
    quick: bool,
}

/// Builds the benches for release and runs them.
///
/// # Errors
/// Without root, or when something is missing and cannot be installed.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if !is_root() {
        bail!("benches make network namespaces and load eBPF programs: run them as root");
    }
    setup::build()?;
    setup::lab()?;
    let mut build = repo::cargo()?;
    build.args(["build", "--release", "--package", "ringfence"]);
    println!("building the agent for release");
    progress::run("ringfence", &mut build)?;
    let mut build = repo::cargo()?;
    build.args(["bench", "--package", "ringfence-integration", "--bench", "costs", "--no-run"]);
    println!("building the benches");
    progress::run("benches", &mut build)?;

    let mut bench = repo::cargo()?;
    bench.args(["bench", "--quiet", "--package", "ringfence-integration", "--bench", "costs", "--"]);
    bench.args(&args.names);
    bench.arg("--ringfence").arg(repo::target_dir()?.join("release/ringfence"));
    if args.quick {
        bench.arg("--quick");
    } else if args.names.is_empty() {
        bench.arg("--write").arg(repo::root()?.join("docs/benchmarks.md"));
    }
    let status = bench.status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
