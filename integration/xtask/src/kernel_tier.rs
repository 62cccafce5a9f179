//! The kernel tier: integration/tests/kernel_*.rs inside QEMU, on each Debian kernel in turn.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::summary::{Counts, Libtest};
use crate::vm::kernel::{self, Kernel};
use crate::vm::{self, Job, Outcome};
use crate::{repo, setup, test};

/// What time limits are multiplied by in the machine: a process takes some twenty times as long to start there, a packet
/// ten times as long to encrypt, and both more where others work beside.
const PATIENCE: &str = "4";
/// For all tests on one kernel.
const TIMEOUT: Duration = Duration::from_secs(45 * 60);
/// MiB: three nodes' agents, their pods and what the tests write, which is kept in memory.
const MEMORY: u32 = 3072;

/// Beginning of the names of those that only `--long` runs.
const LONG: &str = "kernel_long_";

/// Runs the tests whose name contains `filter` on `only`, or on every kernel; those that take very long only if `long`.
///
/// # Errors
/// When they cannot be built or a machine not be started.
pub(crate) fn run(only: Option<&str>, filter: Option<&str>, long: bool) -> Result<Counts> {
    setup::build()?;
    let (mut names, others): (Vec<_>, Vec<_>) = test::targets(|name| name.starts_with("kernel_"))?
        .into_iter()
        .partition(|name| !name.starts_with(LONG));
    if long {
        names.extend(others);
    } else {
        println!("left to --long: {}", others.join(", "));
    }
    if names.is_empty() {
        bail!("no integration/tests/kernel_*.rs");
    }
    // First what can be missing, then what takes long.
    let all = only.map_or_else(|| kernel::SERIES.to_vec(), |series| vec![series]);
    let kernels: Vec<Kernel> = all.into_iter().map(vm::prepare).collect::<Result<_>>()?;
    let agent = test::build_agent()?;
    let executables = build(&names)?;
    let mut total = Counts::default();
    for kernel in kernels {
        let series = kernel.series.clone();
        println!("-- kernel {series}");
        let counts = on(kernel, &executables, agent.clone().into(), filter).unwrap_or_else(|error| {
            eprintln!("error: kernel {series}: {error:#}");
            Counts::FAILURE
        });
        println!("-- kernel {series}: {counts}");
        if counts == Counts::default() {
            bail!("no test ran on kernel {series}");
        }
        total += counts;
    }
    Ok(total)
}

fn on(kernel: Kernel, executables: &[PathBuf], agent: OsString, filter: Option<&str>) -> Result<Counts> {
    let directory = repo::root()?.join("integration");
    let environment = vec![
        ("RINGFENCE_BIN".to_owned(), agent),
        ("CARGO_MANIFEST_DIR".to_owned(), directory.clone().into()), // as cargo sets it for tests
        ("RINGFENCE_LAB_PATIENCE".to_owned(), PATIENCE.into()),
        ("RINGFENCE_WIREGUARD".to_owned(), "kernel".into()),
        ("RUST_LIB_BACKTRACE".to_owned(), "0".into()),
    ];
    let job = Job {
        kernel,
        script: script(executables, filter),
        directory,
        environment,
        memory: MEMORY,
        timeout: TIMEOUT,
    };
    let mut libtest = Libtest::default();
    let outcome = vm::run(&job, |line| libtest.line(line))?;
    let (counts, note) = libtest.finish(outcome == Outcome::Exited(0));
    if let Some(note) = note {
        eprintln!("error: {note} ({outcome:?})");
    }
    Ok(counts)
}

/// Every executable in turn, also after one has failed.
fn script(executables: &[PathBuf], filter: Option<&str>) -> String {
    let filter = filter.map(|filter| vm::quote(filter.as_ref())).unwrap_or_default();
    let runs = executables.iter().map(|path| {
        let path = vm::quote(path.as_os_str());
        format!("echo running {path}; {path} --test-threads=1 --color=never {filter} || failed=1\n")
    });
    format!("failed=0\n{}exit $failed", runs.collect::<String>())
}

/// Builds the tests, and reads where they are from cargo's messages (one JSON object a line).
fn build(names: &[String]) -> Result<Vec<PathBuf>> {
    let mut command = repo::cargo()?;
    command.args(["test", "--package", "ringfence-integration", "--no-run"]);
    command.args(["--message-format", "json-render-diagnostics"]);
    for name in names {
        command.args(["--test", name]);
    }
    let output = command.stderr(Stdio::inherit()).output().context("starting cargo test --no-run")?;
    if !output.status.success() {
        bail!("the tests of the kernel tier do not build");
    }
    let executables = executables(&String::from_utf8_lossy(&output.stdout))?;
    if executables.len() != names.len() {
        bail!("cargo built {} test programs of {}", executables.len(), names.len());
    }
    Ok(executables)
}

fn executables(messages: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).context("reading cargo's messages")?;
        let is_test = message.pointer("/profile/test").and_then(Value::as_bool) == Some(true);
        let executable = message.get("executable").and_then(Value::as_str);
        if let (true, Some(path)) = (is_test, executable) {
            found.push(PathBuf::from(path));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_test_programs_are_taken_from_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","profile":{"test":false},"executable":"/t/ringfence"}
{"reason":"compiler-artifact","profile":{"test":true},"executable":"/t/kernel_rig-1"}
{"reason":"compiler-artifact","profile":{"test":true},"executable":null}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executables(messages).unwrap(), [PathBuf::from("/t/kernel_rig-1")]);
    }

    #[test]
    fn every_program_runs_and_one_failure_is_the_status() {
        let programs = ["/bin/false", "/bin/true"].map(PathBuf::from);
        let mut shell = std::process::Command::new("sh");
        let output = shell.arg("-c").arg(script(&programs, Some("a b"))).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stdout).contains("running /bin/true"));
    }
}
