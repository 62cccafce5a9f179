//! Errors of the key store: each names the path and, where a person must act, what to do.

use std::io;
use std::path::PathBuf;

use super::Damage;
use crate::epoch::Epoch;
use crate::key::RandomnessError;
use crate::plane::{PerPlane, Plane};

/// Why the key store did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused something.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// As in "cannot {operation} PATH".
        operation: &'static str,
        /// Of what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A symbolic link, a device or the like where a directory or file of ours should be.
    #[error("{} is not a {expected} itself; remedy: move it away", path.display())]
    WrongType {
        /// Of what.
        path: PathBuf,
        /// `directory` or `regular file`.
        expected: &'static str,
    },
    /// Somebody else's.
    #[error(
        "{} belongs to user {owner} instead of {expected}; remedy: chown {expected} {} if its contents can be trusted, else remove it",
        path.display(), path.display()
    )]
    ForeignOwner {
        /// Of what.
        path: PathBuf,
        /// Whose it is (uid).
        owner: u32,
        /// Whose it should be: the effective uid of this process.
        expected: u32,
    },
    /// Group or others have any right on it.
    #[error(
        "{} has mode {mode:04o}, so others may have read private keys; remedy: chmod {wanted:04o} {} if nobody did, else remove the keys in it, and new ones are made",
        path.display(), path.display()
    )]
    Exposed {
        /// Of what.
        path: PathBuf,
        /// Permission bits as found.
        mode: u32,
        /// Permission bits as they should be.
        wanted: u32,
    },
    /// The file cannot be a key file as this crate writes them.
    #[error("{} is damaged: {damage}; remedy: rm {}, and the node makes a new key", path.display(), path.display())]
    Damaged {
        /// Of what.
        path: PathBuf,
        /// How.
        damage: Damage,
    },
    /// The key was made for a Node object with another UID (the node was deleted and registered again, or the
    /// disk is a copy of another node's).
    #[error(
        "{} was made for the Node with UID {stored}, and this one has UID {wanted}; remedy: let the node make new keys, or rm {}",
        path.display(), path.display()
    )]
    OtherNode {
        /// Of what.
        path: PathBuf,
        /// In the file.
        stored: String,
        /// Of this node.
        wanted: String,
    },
    /// The plane has a key already, which is never overwritten.
    #[error("{} exists and is never overwritten; remedy: retire that key first", path.display())]
    Exists {
        /// Of what.
        path: PathBuf,
    },
    /// Another process has the store open.
    #[error("{} is in use by another process; remedy: stop the other agent", path.display())]
    Locked {
        /// Of the directory.
        path: PathBuf,
    },
    /// The keys on disk do not fit the mesh's epoch.
    #[error(
        "the keys in {} are of epochs {} and {}, which do not fit the mesh's epoch {mesh}; remedy: make them anew",
        path.display(), shown(stored.zero), shown(stored.one)
    )]
    OutOfStep {
        /// Of the directory.
        path: PathBuf,
        /// What is there.
        stored: PerPlane<Option<Epoch>>,
        /// What the mesh is at.
        mesh: Epoch,
    },
    /// There is no epoch after this, so the idle plane can have no key.
    #[error("epoch {epoch} is the last there is, and has no next one")]
    LastEpoch {
        /// The mesh's.
        epoch: Epoch,
    },
    /// An epoch on the plane of the other parity.
    #[error("a key of epoch {epoch} is not one of {plane}")]
    WrongPlane {
        /// The plane asked for.
        plane: Plane,
        /// The epoch asked for.
        epoch: Epoch,
    },
    /// The Node UID is not one.
    #[error("{uid:?} is no Node UID (1 to 128 letters, digits, '-', '.' and '_')")]
    InvalidUid {
        /// What was given, at most 160 characters of it.
        uid: String,
    },
    /// No new key could be made.
    #[error("{source}")]
    Randomness {
        /// Why.
        source: RandomnessError,
    },
}

impl StoreError {
    /// For `map_err`.
    pub(super) fn io(
        operation: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.into();
        move |source| StoreError::Io { operation, path, source }
    }
}

fn shown(epoch: Option<Epoch>) -> String {
    epoch.map_or_else(|| "none".to_owned(), |epoch| epoch.to_string())
}
