//! `cargo xtask cluster`: a real Kubernetes cluster on this machine. The work is integration/rig's, whose program is built and
//! called here; this installs what it needs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use ringfence_bootstrap::{is_root, progress};

use crate::{repo, setup, test};

/// Where built Kubernetes programs are kept, if not below target/.
const CACHE: &str = "RINGFENCE_KUBERNETES";

/// What to do.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// What the program is told: build, up, install, status, kubectl, exec, import, proxy, down; --help says more
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    arguments: Vec<OsString>,
}

/// Calls the program.
///
/// # Errors
/// If something cannot be installed or built.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let says = |word: &str| args.arguments.iter().any(|argument| argument == word);
    let verb = args.arguments.first().and_then(|verb| verb.to_str()).unwrap_or_default();
    let helped = says("--help") || says("-h");
    if !helped && !verb.is_empty() && !is_root() {
        bail!("clusters are made of namespaces: run it as root (sudo -E env PATH=\"$PATH\")");
    }
    let mut command = command()?;
    if !helped && matches!(verb, "up" | "build") {
        setup::cluster()?;
    }
    let installs = verb == "install" || (verb == "up" && !says("--bare"));
    if !helped && installs && !says("--image") && !says("--binary") {
        setup::build()?;
        command.env("RINGFENCE_BIN", test::build_agent()?);
    }
    let status = command.args(&args.arguments).status().context("starting ringfence-rig")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The program, told where things are.
///
/// # Errors
/// If it does not build.
pub(crate) fn command() -> Result<Command> {
    let mut command = Command::new(program()?);
    command.envs(places()?).stdin(Stdio::inherit());
    Ok(command)
}

/// Installs and builds all that clusters need, Kubernetes too; what tests are told of it.
///
/// # Errors
/// If something cannot be installed or built.
pub(crate) fn prepare() -> Result<Vec<(&'static str, PathBuf)>> {
    if !is_root() {
        bail!("clusters are made of namespaces: run it as root (sudo -E env PATH=\"$PATH\")");
    }
    setup::cluster()?;
    if !command()?.arg("build").status().context("starting ringfence-rig")?.success() {
        bail!("Kubernetes was not built");
    }
    let mut told = places()?;
    told.push(("RINGFENCE_RIG", program()?));
    Ok(told)
}

fn places() -> Result<Vec<(&'static str, PathBuf)>> {
    let cache = match std::env::var_os(CACHE).filter(|place| !place.is_empty()) {
        Some(place) => std::path::absolute(place).context("making RINGFENCE_KUBERNETES absolute")?,
        None => repo::target_dir()?.join("kubernetes"),
    };
    Ok(vec![(CACHE, cache), ("RINGFENCE_MANIFESTS", repo::root()?.join("manifests"))])
}

/// Builds the program and says where it is.
///
/// # Errors
/// If it does not build.
pub(crate) fn program() -> Result<PathBuf> {
    let mut build = repo::cargo()?;
    let status = build.args(["build", "--quiet", "--package", "ringfence-rig"]).status();
    if !status.context("starting cargo build")?.success() {
        bail!("`{}` failed", progress::show(&build));
    }
    Ok(repo::target_dir()?.join("debug/ringfence-rig"))
}
