//! What a node publishes of its keys, as the protocol sees it: the part of a [`Publication`](crate::Publication) that
//! rotation lives on.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::epoch::Epoch;
use crate::key::PublicKey;
use crate::plane::{PerPlane, Plane};

/// `metadata.name` of a Node.
pub type NodeName = Arc<str>;
/// `metadata.uid` of a Node.
pub type NodeUid = Arc<str>;

/// A node's own key on a plane, as far as others may know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnKey {
    /// Of the plane's parity.
    pub epoch: Epoch,
    /// The public half.
    pub public: PublicKey,
}

/// One plane, as published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublishedKey {
    /// The key that peers know the node by on this plane.
    pub public: PublicKey,
    /// Of the plane's parity.
    pub epoch: Epoch,
    /// The node is about to replace this key by another of the same epoch: nobody shall move onto it any more.
    pub leaving: bool,
}

/// What a node publishes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Published {
    /// Whose it is.
    pub node: NodeName,
    /// Of its Node object. Everything below counts per UID.
    pub uid: NodeUid,
    /// Grows with every publication of different content: of two, the greater is the newer.
    pub serial: u64,
    /// The keys.
    pub planes: PerPlane<PublishedKey>,
    /// How many rotations of this node alone (`--node`) it has begun.
    pub turns: u64,
    /// The mesh's epoch at which the idle key was made anew by request (`--fresh`).
    pub fresh: Option<Epoch>,
    /// Nodes whose publication is older than one that this node saw of them before, with the serial seen: their disk
    /// and their object were restored from a backup together, which they cannot know themselves.
    pub outdated: BTreeMap<NodeName, u64>,
}

impl Published {
    /// Whether the node has nothing left to do for a mesh at `mesh`: the active plane has that epoch's key, the idle one
    /// the next, and neither is about to be replaced.
    #[must_use]
    pub fn is_settled(&self, mesh: Epoch) -> bool {
        let active = self.planes.get(mesh.plane());
        let idle = self.planes.get(mesh.plane().other());
        active.epoch == mesh && Some(idle.epoch) == mesh.next() && !active.leaving && !idle.leaving
    }

    /// The two public keys.
    pub fn keys(&self) -> impl Iterator<Item = PublicKey> {
        Plane::ALL.into_iter().map(|plane| self.planes.get(plane).public)
    }
}

/// What one node tells another over the mesh: which plane it sends to it on, and how much it knew when it chose.
///
/// It travels on the very route that it speaks of, so its arrival proves that route. It is a promise as well: the
/// sender never again uses a key of the receiver that was on its way out as far as this word shows. So words may come
/// late, twice and in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Word {
    /// The plane on which the sender sends to the receiver.
    pub on: Plane,
    /// The epoch of the keys there.
    pub epoch: Epoch,
    /// The mesh's epoch, as far as the sender knows.
    pub mesh: Epoch,
    /// The serial of the receiver's newest publication that the sender has taken in.
    pub seen: u64,
}
