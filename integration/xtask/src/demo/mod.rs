//! `cargo xtask demo`: a small bank on three nodes; what its policies say, what its packets do, what the wire sees.

mod attacks;
mod capture;
mod lab;
mod matrix;
mod page;
mod questions;
mod rotation;
mod show;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use ringfence_bootstrap::{is_root, progress};

use crate::{repo, setup};
use lab::Lab;

/// The lab's name.
const NAME: &str = "demo";
/// The bank, as seen from the repository's root.
const MANIFESTS: &str = "integration/demo";

/// How to show it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave the cluster up to play with
    #[arg(long)]
    keep: bool,
    /// Which WireGuard encrypts: auto takes the kernel's where there is one
    #[arg(long, default_value = "auto", value_parser = ["auto", "kernel", "userspace"])]
    wireguard: String,
}

/// Builds, shows, cleans up. It fails if anything did not turn out as it must.
///
/// # Errors
/// Without root, or when something cannot be built, installed or tried.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if !is_root() {
        bail!("the demo makes network namespaces and loads eBPF programs: run it as root");
    }
    page::title("Ringfence: a small bank on three nodes");
    let (lab, scratch) = prepare()?;
    // One that was kept.
    lab.down()?;
    let shown = show::run(&lab, &args.wireguard, Path::new(MANIFESTS), &scratch);
    if args.keep && shown.is_ok() {
        show::what_to_play_with(&lab);
    } else {
        lab.down()?;
        println!("The cluster is gone; nothing of it is left on this machine.");
    }
    let held = shown?;
    if !held {
        eprintln!("error: not everything turned out as it must; see the summary");
    }
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn prepare() -> Result<(Lab, PathBuf)> {
    page::heading("Building");
    setup::build()?;
    setup::lab()?;
    println!("building ringfence, its eBPF programs inside (the first time takes some minutes)");
    let mut build = repo::cargo()?;
    progress::run("ringfence", build.args(["build", "--package", "ringfence"]))?;
    let binary = repo::target_dir()?.join("debug/ringfence");
    let root = repo::root()?;
    std::env::set_current_dir(&root).with_context(|| format!("entering {}", root.display()))?;
    let scratch = repo::target_dir()?.join("demo");
    std::fs::create_dir_all(&scratch).with_context(|| format!("making {}", scratch.display()))?;
    // Shorter to read, where it is inside.
    let scratch = scratch.strip_prefix(&root).map(Path::to_owned).unwrap_or(scratch);
    Ok((Lab::new(binary, NAME), scratch))
}
