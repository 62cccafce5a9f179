//! The kernel tier: integration/tests/kernel_*.rs inside QEMU, on each Debian kernel in turn.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::summary::Counts;
use crate::vm::kernel::{self, Kernel};
use crate::vm::{self, programs};
use crate::{setup, test};

/// What time limits are multiplied by in the machine: a process takes some twenty times as long to start there, a packet
/// ten times as long to encrypt, and both more where others work beside.
const PATIENCE: &str = "4";
/// For all tests on one kernel.
const TIMEOUT: Duration = Duration::from_secs(45 * 60);
/// MiB: three nodes' agents, their pods and what the tests write, which is kept in memory.
const MEMORY: u32 = 3072;

/// Runs the tests whose name contains `filter` on `only`, or on every kernel.
///
/// # Errors
/// When they cannot be built or a machine not be started.
pub(crate) fn run(only: Option<&str>, filter: Option<&str>) -> Result<Counts> {
    setup::build()?;
    let names = test::targets(|name| name.starts_with("kernel_"))?;
    if names.is_empty() {
        bail!("no integration/tests/kernel_*.rs");
    }
    // First what can be missing, then what takes long.
    let all = only.map_or_else(|| kernel::SERIES.to_vec(), |series| vec![series]);
    let kernels: Vec<Kernel> = all.into_iter().map(vm::prepare).collect::<Result<_>>()?;
    let agent = test::build_agent()?;
    let executables = programs::build(&names)?;
    let how = programs::How { filter, patience: PATIENCE, memory: MEMORY, timeout: TIMEOUT, label: "" };
    let mut total = Counts::default();
    for kernel in kernels {
        let series = kernel.series.clone();
        println!("-- kernel {series}");
        let counts = programs::run(kernel, &executables, &agent, how).unwrap_or_else(|error| {
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
