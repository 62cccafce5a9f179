//! Keeping the measuring thread on one core and everybody else off it.

use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{Pid, gettid};

/// Binds the calling thread to the last core and gives it a real-time priority: a packet's whole way is one thread's
/// work then, and no other process interrupts it.
///
/// # Errors
/// Without root, or where `chrt` is missing.
pub(crate) fn to_one_core() -> Result<()> {
    let cores = std::thread::available_parallelism().context("counting cores")?.get();
    let mut set = CpuSet::new();
    set.set(cores - 1).context("choosing a core")?;
    sched_setaffinity(Pid::from_raw(0), &set).context("binding to a core")?;
    let tid = gettid().to_string();
    let status =
        Command::new("chrt").args(["--fifo", "--pid", "1", &tid]).status().context("starting chrt")?;
    if !status.success() {
        bail!("chrt: {status}: no real-time priority");
    }
    Ok(())
}
