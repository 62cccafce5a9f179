//! The numbers of keys, which alternate between the two planes.
//!
//! Epoch 0 lives on plane [`Plane::Zero`], epoch 1 on [`Plane::One`], epoch 2 on `Zero` again: the plane is
//! the epoch's lowest bit. Of the mesh's epoch E, the plane of E is *active* and carries the traffic; the
//! other is *idle* and holds the key of E + 1, ready for the next rotation, or, while a rotation is not yet
//! over, still that of E - 1.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plane::{PerPlane, Plane};

#[cfg(test)]
mod tests;

/// The number of a key, counted over the mesh's rotations: 0 to [`Epoch::MAX`]. In serde a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Epoch(u64);

/// A number that is too big to be an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{number} is no epoch: the greatest is {}", Epoch::MAX)]
pub struct EpochError {
    /// What was given.
    pub number: u64,
}

impl Epoch {
    /// The first epoch of a mesh.
    pub const ZERO: Epoch = Epoch(0);
    /// The last: 2^53 - 1, beyond which JSON readers that use doubles (the Kubernetes API's among them) round.
    pub const MAX: Epoch = Epoch((1 << 53) - 1);

    /// The epoch of that number.
    ///
    /// # Errors
    /// [`EpochError`] beyond [`Epoch::MAX`].
    pub const fn new(number: u64) -> Result<Epoch, EpochError> {
        if number > Epoch::MAX.0 { Err(EpochError { number }) } else { Ok(Epoch(number)) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The plane that keys of this epoch belong to, and the active one while this is the mesh's epoch.
    #[must_use]
    pub const fn plane(self) -> Plane {
        if self.0.is_multiple_of(2) { Plane::Zero } else { Plane::One }
    }

    /// The one after, unless this is the last.
    #[must_use]
    pub fn next(self) -> Option<Epoch> {
        Epoch::new(self.0 + 1).ok()
    }

    /// The one before, unless this is the first.
    #[must_use]
    pub fn previous(self) -> Option<Epoch> {
        self.0.checked_sub(1).map(Epoch)
    }

    /// Whether a node whose keys have these epochs can take part in a mesh at this epoch: the active plane has
    /// the key of just this epoch, the idle one that of the next or, in the middle of a rotation, the last.
    #[must_use]
    pub fn admits(self, keys: PerPlane<Epoch>) -> bool {
        let active = self.plane();
        let idle = Some(*keys.get(active.other()));
        *keys.get(active) == self && (idle == self.next() || idle == self.previous())
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u64> for Epoch {
    type Error = EpochError;

    fn try_from(number: u64) -> Result<Epoch, EpochError> {
        Epoch::new(number)
    }
}

impl From<Epoch> for u64 {
    fn from(epoch: Epoch) -> u64 {
        epoch.0
    }
}
