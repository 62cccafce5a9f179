//! Where agents write what others are to read: their own publication, and the mesh's epoch. A directory, as yet; the API
//! server takes its place beside it.
use crate::model::MeshEpoch;
use crate::watch::directory::{self, Raised, WriteError};
use ringfence_keyring::{Epoch, Publication};
use std::path::PathBuf;

/// What agents write to.
#[derive(Clone, Debug)]
pub(super) enum Board {
    /// The directory that the objects come from.
    Directory(PathBuf),
}

impl Board {
    /// Writes this node's publication.
    ///
    /// # Errors
    /// [`WriteError`].
    pub(super) async fn publish(&self, publication: &Publication) -> Result<(), WriteError> {
        let Self::Directory(path) = self;
        directory::publish(path, publication)
    }

    /// Raises the mesh's epoch, if it still is `from`.
    ///
    /// # Errors
    /// [`WriteError`].
    pub(super) async fn raise(&self, from: Epoch, to: MeshEpoch) -> Result<Raised, WriteError> {
        let Self::Directory(path) = self;
        directory::raise(path, from, to)
    }
}
