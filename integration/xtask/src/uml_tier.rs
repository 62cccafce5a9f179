//! The tier `uml`: tests of the tier `lab` once more, over the kernel's own WireGuard, in User-Mode Linux.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::summary::Counts;
use crate::vm::{self, programs};
use crate::{setup, test};

/// Those of integration/tests that say something about WireGuard: what they say must be true of either.
const TESTS: [&str; 7] = [
    "lab_spoofing",
    "lab_reboot",
    "lab_change",
    "lab_revocation",
    "lab_full",
    "lab_plaintext",
    "lab_conformance",
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
/// When they or the kernel cannot be built, or the machine not be started.
pub(crate) fn run(filter: Option<&str>) -> Result<Counts> {
    setup::build()?;
    let present = test::targets(|name| TESTS.contains(&name))?;
    if present.len() != TESTS.len() {
        bail!("of {} only {} are in integration/tests", TESTS.join(", "), present.join(", "));
    }
    let kernel = vm::prepare(vm::uml::SERIES)?;
    let agent = test::build_agent()?;
    let executables = programs::build(&TESTS.map(str::to_owned))?;
    let how = programs::How { filter, patience: PATIENCE, memory: MEMORY, timeout: TIMEOUT };
    programs::run(kernel, &executables, &agent, how)
}
