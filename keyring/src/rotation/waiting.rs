//! Whom a rotation waits for.

use std::time::Duration;

use super::published::NodeName;
use crate::plane::Plane;

/// A peer that keeps a plane from being retired.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Waiting {
    /// Which plane.
    pub plane: Plane,
    /// Who.
    pub peer: NodeName,
    /// Why.
    pub reason: Reason,
    /// For how long it has not been heard, on either plane.
    pub unheard: Duration,
}

/// Why a peer keeps a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    /// Its new publication has not been read, or it has no keys that fit.
    #[error("it has published no keys for the other plane")]
    NoKeys,
    /// Nothing of full size got through to it and back.
    #[error("no probe over the other plane was answered (is its UDP port blocked?)")]
    NoProbe,
    /// It has not said that it has moved.
    #[error("it has not said that it has moved")]
    NoWord,
}
