//! What the mesh remembers of nodes, across restarts of the agent: one file in the state directory.
#[cfg(test)]
mod tests;

use super::{clock, guard};
use crate::desired::Snapshot;
use crate::disk;
use crate::mesh::{Memory, MeshSpec};
use ringfence_keyring::rotation::Moment;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Its name.
const FILE: &str = "nodes.json";
/// Where it is kept if it cannot be read.
const ASIDE: &str = "nodes.json.damaged";

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", path.display())]
pub(super) struct MemoryError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Memory, and its file.
#[derive(Debug)]
pub(super) struct Remembered {
    path: PathBuf,
    /// Seconds for which what a Node object had stays closed.
    hold: u64,
    memory: Memory,
    /// Up to when the time was counted for which things stay closed.
    counted: Moment,
    /// As it is on disk; `None`: not known.
    noted: Option<Memory>,
}

impl Remembered {
    /// Takes up what an agent before this one noted. If that cannot be read, it is kept beside, and what the guard of that agent held
    /// closed stays so.
    pub(super) fn open(state_dir: &Path, hold: u64) -> Self {
        let path = state_dir.join(FILE);
        let noted =
            read(&path).map_err(|source| MemoryError { operation: "read", path: path.clone(), source });
        let memory = match &noted {
            Ok(noted) => noted.clone().unwrap_or_default(),
            Err(error) => {
                tracing::error!(%error, "it is not known any more which node had what first");
                salvage(state_dir, &path)
            }
        };
        Self { path, hold, memory, counted: clock::moment(), noted: noted.ok().flatten() }
    }

    /// What is remembered.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Takes in which Node objects have gone.
    pub(super) fn follow(&mut self, snapshot: &Snapshot) {
        let seconds = clock::moment().since(self.counted).as_secs();
        self.counted = self.counted.after(Duration::from_secs(seconds));
        self.memory.follow(snapshot, seconds, self.hold);
    }

    /// Takes in what was found to be whose, and notes it on disk, before anything is done that rests on it.
    pub(super) fn learn(&mut self, spec: &MeshSpec) -> Result<(), MemoryError> {
        self.memory.learn(spec);
        if self.noted.as_ref().is_some_and(|noted| self.memory.is_noted_by(noted, self.hold)) {
            return Ok(());
        }
        let written = serde_json::to_vec_pretty(&self.memory)
            .map_err(io::Error::from)
            .and_then(|text| disk::replace(&self.path, 0o600, &text));
        written.map_err(|source| MemoryError { operation: "write", path: self.path.clone(), source })?;
        self.noted = Some(self.memory.clone());
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<Option<Memory>> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What can be told without the file at `path`.
fn salvage(state_dir: &Path, path: &Path) -> Memory {
    // A copy: whoever starts before the file is written anew must not find none, and nothing closed.
    if let Err(error) = std::fs::copy(path, state_dir.join(ASIDE)) {
        tracing::warn!(%error, file = ASIDE, "the damaged file is not kept");
    }
    guard::closed(state_dir).map_or_else(
        |error| {
            tracing::error!(%error, "nor what was closed to pods: what nobody has now is open");
            Memory::default()
        },
        |(addresses, pod_cidrs)| Memory::of_nobody(addresses, pod_cidrs),
    )
}
