//! The store's directory: whose it is, and the order of steps that makes every change in it atomic.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::file::{self, DIRECTORY_MODE, FILE_MODE};
use super::{StoreError, record};
use crate::plane::Plane;

const DISCARD: &str = "discard";

/// An open, locked and trusted directory of key files.
#[derive(Debug)]
pub(super) struct KeyDirectory {
    path: PathBuf,
    /// Holds the lock for as long as the store lives; the kernel lets go of it when the process dies.
    _lock: File,
    owner: u32,
}

impl KeyDirectory {
    /// Opens or makes the directory, which must belong to the user `owner`, and locks it.
    pub(super) fn open(path: &Path, owner: u32) -> Result<KeyDirectory, StoreError> {
        make(path)?;
        let handle = file::open_directory(path)?;
        let found = handle.metadata().map_err(StoreError::io("inspect", path))?;
        file::trust(path, &found, owner, DIRECTORY_MODE)?;
        match handle.try_lock() {
            Ok(()) => Ok(KeyDirectory { path: path.into(), _lock: handle, owner }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.into() }),
            Err(TryLockError::Error(source)) => {
                Err(StoreError::Io { operation: "lock", path: path.into(), source })
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn key_file(&self, plane: Plane) -> PathBuf {
        self.path.join(format!("{plane}.key"))
    }

    /// Finishes what a killed process left: a discard, half-written keys, keys on their way out.
    pub(super) fn converge(&self) -> Result<(), StoreError> {
        let marker = self.path.join(DISCARD);
        if std::fs::symlink_metadata(&marker).is_ok() {
            return self.discard_all();
        }
        self.sweep()
    }

    /// The text of a plane's key file, at most one byte more of it than a record may have.
    pub(super) fn read(&self, plane: Plane) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let path = self.key_file(plane);
        let Some((opened, found)) = file::open_regular(&path, false)? else { return Ok(None) };
        file::trust(&path, &found, self.owner, FILE_MODE)?;
        file::read_up_to(&opened, &path, record::MAX_LEN + 1).map(Some)
    }

    /// Puts a plane's key file in its place, whole and synced, unless there is one.
    pub(super) fn create(&self, plane: Plane, text: &[u8]) -> Result<(), StoreError> {
        let path = self.key_file(plane);
        let new = self.transient(plane, "new");
        file::shred(&new)?;
        file::write_new(&new, text)?;
        // Unlike rename(2), link(2) refuses to replace.
        let linked = std::fs::hard_link(&new, &path);
        if linked.is_err() {
            file::shred(&new)?;
        }
        linked.map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => StoreError::Exists { path: path.clone() },
            _ => StoreError::Io { operation: "link a new key to", path: path.clone(), source },
        })?;
        std::fs::remove_file(&new).map_err(StoreError::io("remove", new))?;
        file::sync_directory(&self.path)
    }

    /// Destroys a plane's key file. Returns whether there was one.
    pub(super) fn destroy(&self, plane: Plane) -> Result<bool, StoreError> {
        let path = self.key_file(plane);
        let retired = self.transient(plane, "retired");
        // A file of ours that could not be wiped last time must not be lost to the rename below.
        file::shred(&retired)?;
        // Overwritten under its own name, a kill half way would leave a damaged key instead of none.
        match std::fs::rename(&path, &retired) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(StoreError::Io { operation: "retire", path, source }),
        }
        file::sync_directory(&self.path)?;
        file::shred(&retired)?;
        file::sync_directory(&self.path)?;
        Ok(true)
    }

    /// Destroys both keys. Once the marker is there, nobody sees any of them again.
    pub(super) fn discard_all(&self) -> Result<(), StoreError> {
        let marker = self.path.join(DISCARD);
        if std::fs::symlink_metadata(&marker).is_err() {
            file::write_new(&marker, b"")?;
            file::sync_directory(&self.path)?;
        }
        self.sweep()?;
        for plane in Plane::ALL {
            self.destroy(plane)?;
        }
        std::fs::remove_file(&marker).map_err(StoreError::io("remove", marker))?;
        file::sync_directory(&self.path)
    }

    fn sweep(&self) -> Result<(), StoreError> {
        let mut swept = false;
        for plane in Plane::ALL {
            swept |= file::shred(&self.transient(plane, "new"))?;
            swept |= file::shred(&self.transient(plane, "retired"))?;
        }
        if swept { file::sync_directory(&self.path) } else { Ok(()) }
    }

    fn transient(&self, plane: Plane, state: &str) -> PathBuf {
        self.path.join(format!("{plane}.key.{state}"))
    }
}

/// Makes the directory and what leads to it, unless it is there.
fn make(path: &Path) -> Result<(), StoreError> {
    if std::fs::symlink_metadata(path).is_ok() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path);
    made.map_err(StoreError::io("create", path))?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => file::sync_directory(parent),
        _ => file::sync_directory(Path::new(".")),
    }
}
