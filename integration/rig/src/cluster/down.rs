//! Taking a cluster away, also one that was never finished or whose maker was killed.
use crate::machine::{self, Machine};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Ends everything that runs for the cluster at `root` and removes what it has written. Without a cluster nothing happens.
///
/// # Errors
/// If something does not end or cannot be removed.
pub fn down(root: &Path) -> Result<()> {
    let Ok(root) = root.canonicalize() else { return Ok(()) };
    // Whatever is there is removed whole: so it must be a cluster's.
    if !root.join(super::STATE).is_file() {
        bail!("{} is not a cluster's directory: it has no {}", root.display(), super::STATE);
    }
    // By their arguments, not by what the cluster's file says: that may be older than they are.
    for init in Machine::find(&root) {
        machine::stop(init);
    }
    let left = Machine::find(&root);
    if let Some(init) = left.first() {
        bail!("process {} of the cluster at {} does not end", init.pid, root.display());
    }
    machine::remove_cgroups(&root)?;
    fs::remove_dir_all(&root).with_context(|| format!("removing {}", root.display()))?;
    // Other clusters may be in it.
    let _ = fs::remove_dir(super::DEFAULT_ROOT);
    Ok(())
}

/// Copies the logs of a cluster that is about to be taken away to where they are not removed with it.
pub(super) fn keep_logs(root: &Path) -> Option<PathBuf> {
    let name = root.file_name()?.to_string_lossy().into_owned();
    let kept = std::env::temp_dir().join(format!("ringfence-cluster-{name}-{}", std::process::id()));
    fs::create_dir_all(&kept).ok()?;
    for machine in fs::read_dir(root.join("machines")).ok()?.flatten() {
        let name = machine.file_name().to_string_lossy().into_owned();
        for log in fs::read_dir(machine.path().join("log")).ok()?.flatten() {
            let to = kept.join(format!("{name}-{}", log.file_name().to_string_lossy()));
            // One that cannot be copied is one less to read.
            let _ = fs::copy(log.path(), to);
        }
    }
    Some(kept)
}
