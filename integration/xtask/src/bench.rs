//! `cargo xtask bench [NAME]`: what it costs, as ratios, next to others in the same run.

use std::process::{ExitCode, Stdio};

use anyhow::{Result, bail};
use ringfence_bootstrap::{is_root, progress};

use crate::{repo, setup};

/// The bench that simulates; all others are integration's `costs`.
const ROTATION: &str = "rotation";

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which bench (`rotation` is a simulation and needs no root); without one all, and docs/benchmarks.md is written anew
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
    let (simulated, measured): (Vec<_>, Vec<_>) = args.names.iter().partition(|name| *name == ROTATION);
    if !simulated.is_empty() {
        let (section, kept) = rotation(args.quick)?;
        println!("{section}");
        if !kept || measured.is_empty() {
            return Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
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
    bench.args(measured);
    bench.arg("--ringfence").arg(repo::target_dir()?.join("release/ringfence"));
    if args.quick {
        bench.arg("--quick");
    } else if args.names.is_empty() {
        bench.arg("--write").arg(repo::root()?.join("docs/benchmarks.md"));
    }
    let status = bench.status()?;
    let mut succeeded = status.success();
    if args.names.is_empty() {
        let (section, kept) = rotation(args.quick)?;
        println!("{section}");
        succeeded &= kept;
        if !args.quick {
            let path = repo::root()?.join("docs/benchmarks.md");
            let text = std::fs::read_to_string(&path)?;
            std::fs::write(&path, format!("{}\n\n{}\n", text.trim_end(), section.trim_end()))?;
        }
    }
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Simulates a rotation of a thousand nodes: a section of Markdown, and whether it keeps what is promised.
fn rotation(quick: bool) -> Result<(String, bool)> {
    let mut bench = repo::cargo()?;
    bench.args(["bench", "--quiet", "--package", "ringfence-keyring", "--bench", ROTATION, "--"]);
    bench.args(quick.then_some("--quick"));
    let output = bench.stderr(Stdio::inherit()).output()?;
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success()))
}
