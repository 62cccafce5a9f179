//! Waiting until no program still works with what it read before.
use super::DatapathError;
use rustix::thread::{MembarrierCommand, membarrier};
use std::time::Duration;

/// Returns once every program that had begun before the call has ended.
///
/// `MEMBARRIER_CMD_GLOBAL` is `synchronize_rcu()` wherever there is more than one CPU (kernel/sched/membarrier.c), and
/// tc programs run inside an RCU read-side section. It returns at once on one CPU, where a program that was interrupted
/// by us cannot exist unless softirqs are threads: then a few scheduler ticks are added. Blocks for 5 to 50 ms.
///
/// # Errors
/// [`DatapathError::Grace`] where the kernel has no membarrier or is booted with `nohz_full`; a fixed wait, far longer
/// than any packet takes, then stands in for it.
pub fn grace_period() -> Result<(), DatapathError> {
    let done = membarrier(MembarrierCommand::Global);
    let one_cpu = std::thread::available_parallelism().is_ok_and(|n| n.get() == 1);
    if done.is_err() || one_cpu {
        std::thread::sleep(Duration::from_millis(50));
    }
    match done {
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => Ok(()),
        Err(e) => Err(DatapathError::Grace { source: e.into() }),
    }
}
