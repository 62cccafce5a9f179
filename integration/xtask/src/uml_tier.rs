//! The tier `uml`: tests of the tier `lab` once more, over the kernel's own WireGuard, in User-Mode Linux.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::summary::Counts;
use crate::vm::{self, programs};
use crate::{setup, test};

/// Those of integration/tests that say something about WireGuard: what they say must be true of either. A machine has one
/// CPU, so there are two at once, each with about half of the work.
const MACHINES: [(&str, &[&str]); 2] = [
    ("a| ", &["lab_conformance"]),
    ("b| ", &["lab_spoofing", "lab_reboot", "lab_change", "lab_revocation", "lab_full", "lab_plaintext"]),
];

/// What time limits are multiplied by: to start a process takes ten times as long there.
const PATIENCE: &str = "2";
/// For all tests.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// MiB: three nodes' agents, their pods and what the tests write, which is kept in memory.
const MEMORY: u32 = 4096;

/// Runs the tests whose name contains `filter`.
///
/// # Errors
/// When they or the kernel cannot be built, or a machine not be started.
pub(crate) fn run(filter: Option<&str>) -> Result<Counts> {
    setup::build()?;
    let kernel = vm::prepare(vm::uml::SERIES)?;
    let agent = test::build_agent()?;
    let mut machines = Vec::new();
    for (label, names) in MACHINES {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        machines.push((label, programs::build(&names)?));
    }
    let done = std::thread::scope(|scope| {
        let start = |(label, executables): (&'static str, Vec<PathBuf>)| {
            let how = programs::How { filter, patience: PATIENCE, memory: MEMORY, timeout: TIMEOUT, label };
            let (kernel, agent) = (kernel.clone(), &agent);
            scope.spawn(move || programs::run(kernel, &executables, agent, how))
        };
        let started: Vec<_> = machines.into_iter().map(start).collect();
        started.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let mut total = Counts::default();
    for counts in done {
        total += counts.map_err(|_| anyhow!("a machine's thread panicked"))?.unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            Counts::FAILURE
        });
    }
    Ok(total)
}
