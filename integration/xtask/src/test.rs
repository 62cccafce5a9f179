//! `cargo xtask test [TIER]`: runs the tiers and sums their results.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::summary::Counts;
use crate::tier::Tier;
use crate::{cluster, kernel_tier, lint, repo, runner, setup, uml_tier};

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The tier
    #[arg(value_enum, default_value_t = Tier::All)]
    tier: Tier,
    /// Only tests whose name contains this (not for lint)
    filter: Option<String>,
    /// Only this Debian kernel in the kernel tier
    #[arg(long, value_name = "VERSION")]
    kernel: Option<String>,
    /// Random tests try some ten times as much, the differential millions of packets; takes about an hour more
    #[arg(long)]
    long: bool,
}

/// Plant mistakes into the compiler and the programs, so they need a build of their own.
const SEEDED: [&str; 2] = ["pure_mistakes", "programs_mistakes"];

/// Those of keyring/tests/ that plant mistakes into the rotation protocol.
const ROTATION: [&str; 2] = ["rotation", "rotation_model"];

/// Only with `--long`: they wait for minutes, and an hour must suffice for all the others.
const LONG: [&str; 2] = ["lab_rotation_twenty", "lab_rotation_absent"];

/// Beginnings of the names of integration/tests/*.rs that need more than cargo.
const PRIVILEGED: [&str; 5] = ["programs_", "lab_", "api_", "cluster_", "kernel_"];

/// Runs what is asked for; the last line printed is "N passed, N failed".
///
/// # Errors
/// None but for what cannot be written; failures are counted.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let tiers = if args.tier == Tier::All { Tier::RUN.to_vec() } else { vec![args.tier] };
    let started = Instant::now();
    let mut total = Counts::default();
    let mut succeeded = true;
    let mut lines = Vec::new();
    for tier in tiers {
        println!("== tier {}", tier.name());
        let began = Instant::now();
        let counts = run_tier(tier, args).unwrap_or_else(|error| {
            eprintln!("error: tier {}: {error:#}", tier.name());
            Counts::FAILURE
        });
        if counts == Counts::default() {
            eprintln!("error: tier {} ran no test", tier.name());
        }
        succeeded &= counts.is_success();
        let line = format!("tier {}: {counts} in {} s", tier.name(), began.elapsed().as_secs());
        total += counts;
        println!("{line}");
        lines.push(line);
    }
    println!("== summary, after {} s", started.elapsed().as_secs());
    for failure in &total.failures {
        println!("{failure}");
    }
    for line in lines {
        println!("{line}");
    }
    println!("{total}");
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_tier(tier: Tier, args: &Args) -> Result<Counts> {
    let wanted = Wanted { filter: args.filter.as_deref(), long: args.long };
    match tier {
        Tier::All => bail!("`all` is not a tier of its own"),
        Tier::Lint => lint::run(),
        Tier::Pure => pure(wanted),
        Tier::Programs => {
            let mut counts = privileged("programs_", wanted, Vec::new())?;
            counts += seeded("programs_", wanted)?;
            Ok(counts)
        }
        Tier::Lab => {
            setup::lab()?;
            privileged("lab_", wanted, Vec::new())
        }
        Tier::Api => privileged("api_", wanted, cluster::prepare()?),
        Tier::Cluster => privileged("cluster_", wanted, cluster::prepare()?),
        Tier::Uml => uml_tier::run(wanted.filter),
        Tier::Kernel => kernel_tier::run(args.kernel.as_deref(), wanted.filter),
    }
}

/// Which tests, and how much of them.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    filter: Option<&'a str>,
    long: bool,
}

impl Wanted<'_> {
    /// `cargo test`, told so.
    fn cargo(self) -> Result<Command> {
        let mut cargo = repo::cargo()?;
        // What an error says is repeated at the end; where it was made would bury it.
        cargo.arg("test").env("RUST_LIB_BACKTRACE", "0");
        if self.long {
            cargo.env("RINGFENCE_LONG", "1");
        }
        Ok(cargo)
    }
}

fn pure(wanted: Wanted<'_>) -> Result<Counts> {
    setup::build()?;
    let mut counts = Counts::default();
    let mut others = wanted.cargo()?;
    others
        .args(["--workspace", "--exclude", "ringfence-integration", "--no-fail-fast", "--"])
        .args(wanted.filter);
    counts += runner::tests(&mut others)?;
    let mut own = wanted.cargo()?;
    own.args(["--package", "ringfence-integration", "--no-fail-fast", "--lib", "--bins"]);
    let plain =
        |name: &str| !SEEDED.contains(&name) && !PRIVILEGED.iter().any(|prefix| name.starts_with(prefix));
    for target in targets(plain)? {
        own.args(["--test", &target]);
    }
    counts += runner::tests(own.arg("--").args(wanted.filter))?;
    counts += seeded("pure_", wanted)?;
    // The model checker sees hundreds of thousands of states: not with a debug build.
    let mut rotation = wanted.cargo()?;
    rotation.args(["--release", "--package", "ringfence-keyring", "--features", "seeded-mistakes"]);
    for target in ROTATION {
        rotation.args(["--test", target]);
    }
    counts += runner::tests(rotation.args(["--no-fail-fast", "--"]).args(wanted.filter))?;
    Ok(counts)
}

/// Those of [`SEEDED`] whose names begin so.
fn seeded(prefix: &str, wanted: Wanted<'_>) -> Result<Counts> {
    let mut cargo = wanted.cargo()?;
    cargo.args(["--package", "ringfence-integration", "--features", "seeded-mistakes"]);
    for target in SEEDED.iter().filter(|name| name.starts_with(prefix)) {
        cargo.args(["--test", target]);
    }
    runner::tests(cargo.arg("--").args(wanted.filter))
}

/// One after another: labs and pinned maps of two tests at once would make timings and leak checks unsure.
fn privileged(prefix: &str, wanted: Wanted<'_>, told: Vec<(&str, PathBuf)>) -> Result<Counts> {
    if !ringfence_bootstrap::is_root() {
        bail!(
            "this tier makes network namespaces and loads eBPF programs: run it as root (sudo -E env PATH=\"$PATH\")"
        );
    }
    setup::build()?;
    let left_out = |name: &str| SEEDED.contains(&name) || (LONG.contains(&name) && !wanted.long);
    let found = targets(|name| name.starts_with(prefix) && !left_out(name))?;
    if found.is_empty() {
        bail!("no integration/tests/{prefix}*.rs");
    }
    let binary = build_agent()?;
    let mut command = wanted.cargo()?;
    command.env("RINGFENCE_BIN", binary).envs(told).args([
        "--package",
        "ringfence-integration",
        "--no-fail-fast",
    ]);
    for target in &found {
        command.args(["--test", target]);
    }
    runner::tests(command.args(["--", "--test-threads=1"]).args(wanted.filter))
}

/// Builds `ringfence` as the tests run it and says where it is.
///
/// # Errors
/// When it does not build.
pub(crate) fn build_agent() -> Result<PathBuf> {
    let status =
        repo::cargo()?.args(["build", "--package", "ringfence"]).status().context("starting cargo build")?;
    if !status.success() {
        bail!("`cargo build --package ringfence` failed");
    }
    Ok(repo::target_dir()?.join("debug/ringfence"))
}

/// Names of the integration tests (files and directories in integration/tests) that are `wanted`, sorted.
///
/// # Errors
/// When the directory cannot be read.
pub(crate) fn targets(wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let dir = repo::root()?.join("integration/tests");
    let mut names = Vec::new();
    if !dir.is_dir() {
        return Ok(names);
    }
    for entry in std::fs::read_dir(&dir).with_context(|| format!("reading {}", dir.display()))? {
        let path = entry.with_context(|| format!("reading {}", dir.display()))?.path();
        let is_target = path.extension().is_some_and(|ext| ext == "rs") || path.join("main.rs").is_file();
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        if is_target && wanted(name) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
