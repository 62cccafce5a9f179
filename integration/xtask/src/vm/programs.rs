//! The test programs of `integration/tests`, run in a machine.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::kernel::Kernel;
use super::{Job, Outcome};
use crate::summary::{Counts, Libtest};
use crate::{repo, vm};

/// How tests are run in a machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How<'a> {
    /// Only tests whose name contains this.
    pub(crate) filter: Option<&'a str>,
    /// What tests' time limits are multiplied by.
    pub(crate) patience: &'a str,
    /// MiB.
    pub(crate) memory: u32,
    /// For all of them.
    pub(crate) timeout: Duration,
    /// Put before each line of output.
    pub(crate) label: &'static str,
}

/// Runs test programs on `kernel`, whose WireGuard they must use.
///
/// # Errors
/// When the machine cannot be started.
pub(crate) fn run(kernel: Kernel, executables: &[PathBuf], agent: &Path, how: How<'_>) -> Result<Counts> {
    let directory = repo::root()?.join("integration");
    let environment = vec![
        ("RINGFENCE_BIN".to_owned(), agent.into()),
        ("CARGO_MANIFEST_DIR".to_owned(), directory.clone().into()), // as cargo sets it for tests
        ("RINGFENCE_LAB_PATIENCE".to_owned(), how.patience.into()),
        ("RINGFENCE_WIREGUARD".to_owned(), "kernel".into()),
        ("RUST_LIB_BACKTRACE".to_owned(), "0".into()),
    ];
    let job = Job {
        kernel,
        script: script(executables, how.filter),
        directory,
        environment,
        memory: how.memory,
        timeout: how.timeout,
        label: how.label,
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

/// Builds tests of integration/tests; where they are is read from cargo's messages (one JSON object a line).
///
/// # Errors
/// When they do not build.
pub(crate) fn build(names: &[String]) -> Result<Vec<PathBuf>> {
    let mut command = repo::cargo()?;
    command.args(["test", "--package", "ringfence-integration", "--no-run"]);
    command.args(["--message-format", "json-render-diagnostics"]);
    for name in names {
        command.args(["--test", name]);
    }
    let output = command.stderr(Stdio::inherit()).output().context("starting cargo test --no-run")?;
    if !output.status.success() {
        bail!("the tests do not build");
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
