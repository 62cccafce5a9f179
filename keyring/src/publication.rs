//! What a node tells its peers of its keys: nothing secret, and nothing about any other node.
//!
//! As a Kubernetes object (cluster-scoped custom resource, named as its Node):
//!
//! ```json
//! {"apiVersion": "ringfence.dev/v1alpha1", "kind": "RingfenceNode", "metadata": {"name": "worker-1"},
//!  "spec": {"nodeUID": "6f0c...", "epoch": 4, "endpoints": ["192.0.2.7", "2001:db8::7"],
//!           "planes": [{"plane": "rf-wg0", "publicKey": "<base64>", "epoch": 4, "port": 51871},
//!                      {"plane": "rf-wg1", "publicKey": "<base64>", "epoch": 5, "port": 51872, "leaving": true}],
//!           "serial": 12, "turns": 1, "fresh": 3, "outdated": {"worker-2": 7},
//!           "audit": {"number": 40, "hash": "<64 hexadecimal digits>"}}}
//! ```
//!
//! `leaving` and all that follows `planes` may be absent: so it is in what agents published that could not rotate
//! ([`Progress`]).
//!
//! A value of type [`Publication`] has passed every check; there is no other way to make one.

mod check;
mod progress;
#[cfg(test)]
mod tests;
mod wire;

use std::net::IpAddr;

pub use progress::Progress;
use serde::{Deserialize, Serialize};

use crate::epoch::Epoch;
use crate::key::PublicKey;
use crate::plane::{PerPlane, Plane};

/// The object's `apiVersion`.
pub const API_VERSION: &str = "ringfence.dev/v1alpha1";
/// The object's `kind`.
pub const KIND: &str = "RingfenceNode";
/// The most underlay addresses a node may publish.
pub const MAX_ENDPOINTS: usize = 16;

/// A publication that is refused: the object, the field, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {field}: {reason}")]
pub struct PublicationError {
    /// `RingfenceNode NAME`, or `RingfenceNode (unnamed)` where the name could not be read.
    pub object: String,
    /// As in `spec.planes[1].publicKey`; `.` for the object as a whole.
    pub field: String,
    /// What is wrong with it, in words.
    pub reason: String,
}

/// One plane, as published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublishedPlane {
    /// The key peers know this node by on this plane.
    pub public_key: PublicKey,
    /// The epoch of the key, of the plane's parity.
    pub epoch: Epoch,
    /// The UDP port WireGuard listens on, not 0.
    pub port: u16,
}

/// What one node publishes, checked:
///
/// - `node` is a Kubernetes object name, `uid` a Node UID;
/// - both planes are there, with different keys and ports, and epochs that [fit](Epoch::admits) `epoch`;
/// - `endpoints` are 1 to [`MAX_ENDPOINTS`] different unicast addresses, none of them loopback, link-local,
///   unspecified or IPv4-mapped;
/// - the numbers of [`Progress`] are such as JSON carries, its names those of nodes.
///
/// Whether two nodes claim one key or one address, and whether an epoch is the mesh's, takes more than one
/// publication to say, and is for whoever has them all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "wire::Object", into = "wire::Object")]
pub struct Publication {
    node: String,
    uid: String,
    epoch: Epoch,
    planes: PerPlane<PublishedPlane>,
    endpoints: Vec<IpAddr>,
    progress: Progress,
}

impl Publication {
    /// Makes a publication of its parts, after checking them.
    ///
    /// # Errors
    /// [`PublicationError`] naming the first field that breaks the rules above.
    pub fn new(
        node: &str,
        uid: &str,
        epoch: Epoch,
        planes: PerPlane<PublishedPlane>,
        endpoints: &[IpAddr],
    ) -> Result<Publication, PublicationError> {
        let publication = Publication {
            node: node.to_owned(),
            uid: uid.to_owned(),
            epoch,
            planes,
            endpoints: endpoints.to_vec(),
            progress: Progress::default(),
        };
        check::all(&publication)?;
        Ok(publication)
    }

    /// Reads the object from JSON text.
    ///
    /// # Errors
    /// [`PublicationError`] naming object and field, also for text that is cut off.
    pub fn from_json(text: &str) -> Result<Publication, PublicationError> {
        wire::from_json(text)
    }

    /// Reads the object from a value that is already parsed (from YAML, or by an API client).
    ///
    /// # Errors
    /// [`PublicationError`] naming object and field.
    pub fn from_value(value: serde_json::Value) -> Result<Publication, PublicationError> {
        wire::from_value(value)
    }

    /// The object, as a value for an API client.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        wire::to_value(self)
    }

    /// The object as JSON text over several lines, with a line feed at the end.
    #[must_use]
    pub fn to_json(&self) -> String {
        format!("{:#}\n", self.to_value())
    }

    /// The node's name, and the object's.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// `metadata.uid` of the Node.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The mesh's epoch that the node has taken up.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Both planes.
    #[must_use]
    pub fn planes(&self) -> &PerPlane<PublishedPlane> {
        &self.planes
    }

    /// One plane.
    #[must_use]
    pub fn plane(&self, plane: Plane) -> &PublishedPlane {
        self.planes.get(plane)
    }

    /// The node's underlay addresses, in the node's order of preference; never empty.
    #[must_use]
    pub fn endpoints(&self) -> &[IpAddr] {
        &self.endpoints
    }

    /// A key that this node and another both claim, on whichever planes.
    #[must_use]
    pub fn shared_key(&self, other: &Publication) -> Option<PublicKey> {
        let theirs = [other.planes.zero.public_key, other.planes.one.public_key];
        self.planes.iter().map(|(_, plane)| plane.public_key).find(|key| theirs.contains(key))
    }
}
