//! The ways in which a key file can be broken.

use crate::key::KeyError;

/// What is wrong with a key file. Never contains any part of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// More than a key file ever holds.
    #[error("it is longer than {limit} bytes")]
    TooLong {
        /// What is read at most.
        limit: usize,
    },
    /// Not JSON, cut off, or other fields than a key file has.
    #[error("it is not the JSON of a key file (line {line}, column {column})")]
    Json {
        /// From 1.
        line: usize,
        /// From 1; 0 where the line ended.
        column: usize,
    },
    /// Written by another version of the format.
    #[error("its format is version {found}, and this build reads version {known}")]
    Version {
        /// In the file.
        found: u32,
        /// Of this build.
        known: u32,
    },
    /// Its name and contents, or its plane and epoch, contradict each other.
    #[error("it is not a key of the plane that its name says")]
    Plane,
    /// The epoch is out of range.
    #[error("its epoch {epoch} is out of range")]
    Epoch {
        /// In the file.
        epoch: u64,
    },
    /// One of its keys is no key.
    #[error("its {field} is damaged: {source}")]
    Key {
        /// `privateKey` or `publicKey`.
        field: &'static str,
        /// Why.
        source: KeyError,
    },
    /// The private key does not give the public key written beside it.
    #[error("its private and public key do not belong together")]
    Pair,
    /// The checksum does not match the other fields.
    #[error("its checksum is wrong")]
    Checksum,
    /// Both planes hold one key.
    #[error("it holds the same key as the other plane")]
    SameKey,
}
