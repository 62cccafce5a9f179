//! Giving nodes their images: there is no registry, so everything is imported.
use super::{Cluster, node_name};
use crate::machine::Machine;
use crate::run;
use anyhow::{Context, Result};
use std::path::Path;

impl Cluster {
    /// Imports an archive on every node, on all of them at once.
    ///
    /// # Errors
    /// If a node does not take it.
    pub fn import(&self, archive: &Path) -> Result<()> {
        // Seen by machines: the cluster's directory is.
        let seen = self.root.join("import.tar");
        std::fs::copy(archive, &seen).with_context(|| format!("copying {}", archive.display()))?;
        let machines: Vec<&Machine> =
            self.nodes().map(|number| self.machine(&node_name(number))).collect::<Result<_>>()?;
        let done = std::thread::scope(|scope| {
            let threads: Vec<_> =
                machines.iter().map(|machine| scope.spawn(|| self.import_on(machine, &seen))).collect();
            threads.into_iter().try_for_each(|thread| {
                thread.join().map_err(|_| anyhow::anyhow!("a node's thread panicked"))?
            })
        });
        // The next one would replace it.
        let _ = std::fs::remove_file(&seen);
        done
    }

    /// Imports an archive that the machine sees under the same path.
    pub(super) fn import_on(&self, machine: &Machine, archive: &Path) -> Result<()> {
        let mut ctr = machine.command("ctr");
        ctr.args(["--namespace", "k8s.io", "images", "import", "--snapshotter", "overlayfs"]).arg(archive);
        let done = run::output(&mut ctr);
        done.map(drop).with_context(|| format!("importing {} on {}", archive.display(), machine.name))
    }
}
