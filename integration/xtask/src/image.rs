//! `cargo xtask image`: Ringfence's image, without a container engine.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use ringfence_bootstrap::progress;

use crate::{cluster, repo, setup};

const TARGET: &str = "x86_64-unknown-linux-musl";

/// Where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The archive; `ctr -n k8s.io images import FILE` takes it, so do podman and skopeo
    #[arg(long, short, value_name = "FILE", default_value = "target/ringfence.tar")]
    output: PathBuf,
}

/// Builds the release as a static binary and packs it.
///
/// # Errors
/// If something cannot be installed, built or written.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    setup::build()?;
    setup::image()?;
    println!("building ringfence as a static binary (the first time takes some minutes)");
    let mut build = repo::cargo()?;
    build.args(["build", "--release", "--package", "ringfence", "--target", TARGET]);
    // Lines of source in backtraces are worth less than a download of half the size.
    build.env("CARGO_PROFILE_RELEASE_STRIP", "true");
    progress::run("ringfence", &mut build)?;
    let binary = repo::target_dir()?.join(TARGET).join("release/ringfence");
    let mut pack = cluster::command()?;
    pack.arg("image").arg("--binary").arg(binary).arg("--output").arg(&args.output);
    if !pack.status().context("starting ringfence-rig")?.success() {
        bail!("the image was not written");
    }
    let size = std::fs::metadata(&args.output).context("looking at the image")?.len();
    println!("{} ({:.1} MB)", args.output.display(), size as f64 / 1e6);
    Ok(ExitCode::SUCCESS)
}
