//! The lint tier: formatting, clippy and dependencies, of the workspace and of the eBPF programs.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::summary::Counts;
use crate::{repo, runner, setup};

/// Runs every check, also after one has failed.
///
/// # Errors
/// When a tool is missing and cannot be installed.
pub(crate) fn run() -> Result<Counts> {
    setup::build()?;
    setup::deny()?;
    let programs = repo::root()?.join("bpf/programs");
    if !programs.join("Cargo.toml").is_file() {
        bail!("bpf/programs is missing: there is nothing to enforce with");
    }
    let config = repo::root()?.join("deny.toml");
    let mut counts = Counts::default();
    counts += runner::check("fmt", repo::cargo()?.args(["fmt", "--all", "--check"]))?;
    let mut clippy = repo::cargo()?;
    clippy.args(["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    counts += runner::check("clippy", &mut clippy)?;
    counts += runner::check("deny", deny(&mut repo::cargo()?, &config))?;

    let here = || -> Result<Command> {
        let mut command = repo::cargo()?;
        command.current_dir(&programs);
        Ok(command)
    };
    counts += runner::check("fmt of the programs", here()?.args(["fmt", "--check"]))?;
    let mut clippy = here()?;
    // `core` for the BPF target is built from source, which stable toolchains only do when told so.
    clippy.env("RUSTC_BOOTSTRAP", "1").args(["clippy", "--locked", "--release"]);
    clippy.args(["--target", "bpfel-unknown-none", "-Z", "build-std=core", "--", "-D", "warnings"]);
    counts += runner::check("clippy of the programs", &mut clippy)?;
    counts += runner::check("deny of the programs", deny(&mut here()?, &config))?;
    Ok(counts)
}

/// Not `advisories`: that fetches a database over git, which machines that may only use registries cannot.
fn deny<'a>(command: &'a mut Command, config: &Path) -> &'a mut Command {
    command.args(["deny", "--locked", "--config"]).arg(config).args(["check", "licenses", "bans", "sources"])
}
