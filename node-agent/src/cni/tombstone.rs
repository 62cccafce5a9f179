//! Deletions the agent did not hear of: a pod must be deletable while its node's agent is away.
use crate::control::Sandbox;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A directory with one empty file per deleted attachment, named `CONTAINER@IFNAME`.
#[derive(Clone, Debug)]
pub struct Tombstones {
    dir: PathBuf,
}

impl Tombstones {
    /// Those of an agent's state directory.
    pub fn of(state_dir: &Path) -> Self {
        Self { dir: state_dir.join("tombstones") }
    }

    /// Notes that an attachment is gone.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn note(&self, sandbox: &Sandbox) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        fs::write(self.path(sandbox), b"")
    }

    /// Every attachment noted.
    ///
    /// # Errors
    /// When the directory is there but cannot be read.
    pub fn all(&self) -> io::Result<Vec<Sandbox>> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            // Container ids hold no '@', interface names may.
            if let Some((container_id, ifname)) = name.to_str().and_then(|n| n.split_once('@')) {
                found.push(Sandbox { container_id: container_id.to_owned(), ifname: ifname.to_owned() });
            }
        }
        Ok(found)
    }

    /// Forgets one.
    ///
    /// # Errors
    /// When its file cannot be removed.
    pub fn clear(&self, sandbox: &Sandbox) -> io::Result<()> {
        match fs::remove_file(self.path(sandbox)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    fn path(&self, sandbox: &Sandbox) -> PathBuf {
        self.dir.join(format!("{}@{}", sandbox.container_id, sandbox.ifname))
    }
}
