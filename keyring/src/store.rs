//! A node's private keys on disk: one directory, one file per plane.
//!
//! | name | what |
//! |---|---|
//! | `rf-wg0.key`, `rf-wg1.key` | the key of a plane, its epoch and the Node UID it was made for |
//! | `*.new` | being written; linked to its final name once it is synced, so a final name is always whole |
//! | `*.retired` | on its way out: renamed first, overwritten next, unlinked last |
//! | `discard` | both keys are to go; whoever finds it finishes that first |
//!
//! Every step is atomic and synced, and [`KeyStore::open`] takes up whatever a process killed at any instant
//! left. Nothing ever writes over a key file in place while it bears its final name.
//!
//! **Destroying a key** overwrites its file with zeros, syncs, and unlinks it. On SSDs (wear levelling), on
//! file systems that copy on write (btrfs, ZFS, overlayfs) or keep data in a journal, and in snapshots and
//! backups, the old bytes can survive that. Where this matters the directory belongs on an encrypted volume.

mod damage;
mod directory;
mod error;
mod file;
mod keys;
mod record;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use damage::Damage;
pub use error::StoreError;
pub use keys::{PlaneKey, PlaneKeys};
pub(crate) use record::is_uid;

use crate::epoch::Epoch;
use crate::key::PrivateKey;
use crate::plane::{PerPlane, Plane};
use directory::KeyDirectory;

/// The private keys of one node, on disk, held by one process at a time (flock(2) on the directory).
#[derive(Debug)]
pub struct KeyStore {
    directory: KeyDirectory,
    node_uid: String,
}

impl KeyStore {
    /// Opens the store in `dir`, making the directory (0700) if there is none, finishes what a killed
    /// process left undone, and checks every key in it.
    ///
    /// `node_uid` is `metadata.uid` of the Node object: 1 to 128 characters of letters, digits, `-`, `.`, `_`.
    ///
    /// # Errors
    /// [`StoreError`]: above all a directory or file that is exposed, foreign or damaged, another process
    /// that has it open, and [`StoreError::OtherNode`] for keys made for another Node UID.
    pub fn open(dir: &Path, node_uid: &str) -> Result<KeyStore, StoreError> {
        let store = KeyStore::unchecked(dir, node_uid)?;
        store.load()?;
        Ok(store)
    }

    /// Opens the store as [`KeyStore::open`] does, but destroys the keys in it when any was made for another
    /// Node UID: for a node that was deleted and registered again, and so is another node with nothing to
    /// continue. The bool says whether that happened; [`KeyStore::load_or_create`] then makes new keys.
    ///
    /// # Errors
    /// [`StoreError`], save [`StoreError::OtherNode`].
    pub fn open_for_new_node(dir: &Path, node_uid: &str) -> Result<(KeyStore, bool), StoreError> {
        let store = KeyStore::unchecked(dir, node_uid)?;
        match store.load() {
            Ok(_) => Ok((store, false)),
            Err(StoreError::OtherNode { .. }) => {
                store.directory.discard_all()?;
                store.load()?;
                Ok((store, true))
            }
            Err(error) => Err(error),
        }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The Node UID the keys are for.
    #[must_use]
    pub fn node_uid(&self) -> &str {
        &self.node_uid
    }

    /// What is there: a key for each plane that has one.
    ///
    /// # Errors
    /// [`StoreError`] for a file that is exposed, foreign, damaged or made for another node.
    pub fn load(&self) -> Result<PerPlane<Option<PlaneKey>>, StoreError> {
        let keys = PerPlane::try_from_fn(|plane| self.load_plane(plane))?;
        if let PerPlane { zero: Some(zero), one: Some(one) } = &keys
            && zero.public() == one.public()
        {
            return Err(StoreError::Damaged { path: self.file(Plane::One), damage: Damage::SameKey });
        }
        Ok(keys)
    }

    /// The keys of both planes for a mesh at `epoch`: those on disk where they fit, new ones where there are
    /// none. With an empty store the active plane gets epoch E and the idle one E + 1; with one key present
    /// (a process was killed between the two) the other is made to match it.
    ///
    /// # Errors
    /// [`StoreError::OutOfStep`] when the keys on disk do not [fit](Epoch::admits) the mesh's epoch: the
    /// caller decides between catching up ([`KeyStore::retire`], [`KeyStore::create`]) and
    /// [`KeyStore::remake`]. [`StoreError::LastEpoch`] when there is no E + 1. Else as [`KeyStore::load`].
    pub fn load_or_create(&mut self, epoch: Epoch) -> Result<PlaneKeys, StoreError> {
        let mut keys = self.load()?;
        let active = epoch.plane();
        let next = epoch.next().ok_or(StoreError::LastEpoch { epoch })?;
        let stored = PerPlane::from_fn(|plane| keys.get(plane).as_ref().map(PlaneKey::epoch));
        let planned = PerPlane::from_fn(|plane| {
            stored.get(plane).unwrap_or(if plane == active { epoch } else { next })
        });
        if !epoch.admits(planned) {
            return Err(StoreError::OutOfStep { path: self.path().into(), stored, mesh: epoch });
        }
        // The active one first: a mesh can run on it alone.
        for plane in [active, active.other()] {
            if keys.get(plane).is_none() {
                *keys.get_mut(plane) = Some(self.create(plane, *planned.get(plane))?);
            }
        }
        match keys {
            PerPlane { zero: Some(zero), one: Some(one) } => Ok(PlaneKeys::new(zero, one)),
            _ => Err(StoreError::OutOfStep { path: self.path().into(), stored, mesh: epoch }),
        }
    }

    /// Makes a new key of `epoch` for `plane`, which has none. It is on disk and synced before this returns,
    /// so it may be published.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the plane has a key, [`StoreError::WrongPlane`] if the epoch is the other
    /// plane's, else IO errors.
    pub fn create(&mut self, plane: Plane, epoch: Epoch) -> Result<PlaneKey, StoreError> {
        if epoch.plane() != plane {
            return Err(StoreError::WrongPlane { plane, epoch });
        }
        let path = self.file(plane);
        let private = PrivateKey::generate().map_err(|source| StoreError::Randomness { source })?;
        let key = PlaneKey::new(epoch, private);
        self.directory.create(plane, &record::write(&self.node_uid, &key, &path)?)?;
        Ok(key)
    }

    /// Destroys the key of `plane` (see the module's words on what that means on SSDs). Returns whether there
    /// was one. Works on a damaged file too. The caller drops its own [`PlaneKey`], which wipes memory.
    ///
    /// # Errors
    /// IO errors. Whatever was reached, the key is either still whole or already gone for every later call.
    pub fn retire(&mut self, plane: Plane) -> Result<bool, StoreError> {
        self.directory.destroy(plane)
    }

    /// Destroys both keys and makes new ones for a mesh at `epoch`: for a node whose disk and published
    /// object disagree, whose clock or disk went back, or that was away for too long. Killed in between, no
    /// later call sees an old key.
    ///
    /// # Errors
    /// [`StoreError::LastEpoch`], randomness and IO errors.
    pub fn remake(&mut self, epoch: Epoch) -> Result<PlaneKeys, StoreError> {
        epoch.next().ok_or(StoreError::LastEpoch { epoch })?;
        self.directory.discard_all()?;
        self.load_or_create(epoch)
    }

    fn unchecked(dir: &Path, node_uid: &str) -> Result<KeyStore, StoreError> {
        if !is_uid(node_uid) {
            return Err(StoreError::InvalidUid { uid: node_uid.chars().take(160).collect() });
        }
        let directory = KeyDirectory::open(dir, nix::unistd::geteuid().as_raw())?;
        directory.converge()?;
        Ok(KeyStore { directory, node_uid: node_uid.to_owned() })
    }

    fn load_plane(&self, plane: Plane) -> Result<Option<PlaneKey>, StoreError> {
        match self.directory.read(plane)? {
            Some(text) => record::read(&text, plane, &self.node_uid, &self.file(plane)).map(Some),
            None => Ok(None),
        }
    }

    fn file(&self, plane: Plane) -> PathBuf {
        self.directory.key_file(plane)
    }
}
