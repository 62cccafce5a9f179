//! Private keys with the epochs they belong to, in memory.

use crate::epoch::Epoch;
use crate::key::{PrivateKey, PublicKey};
use crate::plane::{PerPlane, Plane};
use crate::publication::{Publication, PublishedPlane};

/// A plane's private key and its epoch. `Debug` shows the public key only; dropping it wipes the key.
#[derive(Debug)]
pub struct PlaneKey {
    epoch: Epoch,
    public: PublicKey,
    private: PrivateKey,
}

impl PlaneKey {
    pub(crate) fn new(epoch: Epoch, private: PrivateKey) -> PlaneKey {
        PlaneKey { epoch, public: private.public(), private }
    }

    /// The plane: that of the epoch.
    #[must_use]
    pub fn plane(&self) -> Plane {
        self.epoch.plane()
    }

    /// The epoch it was made for.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What peers know of it.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// What only this node knows.
    #[must_use]
    pub fn private(&self) -> &PrivateKey {
        &self.private
    }

    /// What a node publishes of it.
    #[must_use]
    pub fn published(&self, port: u16) -> PublishedPlane {
        PublishedPlane { public_key: self.public, epoch: self.epoch, port }
    }
}

/// The keys of both planes.
#[derive(Debug)]
pub struct PlaneKeys(PerPlane<PlaneKey>);

impl PlaneKeys {
    pub(super) fn new(zero: PlaneKey, one: PlaneKey) -> PlaneKeys {
        PlaneKeys(PerPlane { zero, one })
    }

    /// The key of `plane`.
    #[must_use]
    pub fn get(&self, plane: Plane) -> &PlaneKey {
        self.0.get(plane)
    }

    /// Both, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Plane, &PlaneKey)> {
        self.0.iter()
    }

    /// Their epochs.
    #[must_use]
    pub fn epochs(&self) -> PerPlane<Epoch> {
        PerPlane::from_fn(|plane| self.get(plane).epoch())
    }

    /// What a node publishes of them, with the UDP port of each plane.
    #[must_use]
    pub fn published(&self, ports: PerPlane<u16>) -> PerPlane<PublishedPlane> {
        PerPlane::from_fn(|plane| self.get(plane).published(*ports.get(plane)))
    }

    /// Whether what this node once published names just these keys and epochs. Where it does not, disk or
    /// object is out of date (a restored backup, say), and no key of either may be used:
    /// [`KeyStore::remake`](super::KeyStore::remake).
    #[must_use]
    pub fn agree_with(&self, published: &Publication) -> bool {
        self.iter().all(|(plane, key)| {
            let seen = published.plane(plane);
            seen.public_key == key.public() && seen.epoch == key.epoch()
        })
    }
}
