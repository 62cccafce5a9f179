//! What happens to a node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::published::{NodeName, NodeUid, OwnKey, Published, Word};
use super::record::Record;
use crate::epoch::Epoch;
use crate::key::PublicKey;
use crate::plane::{PerPlane, Plane};

/// Somebody wants keys to rotate. All of these may be read late, twice and in any order; they are objects that stay until
/// they are satisfied, and are handed in again after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request {
    /// The whole mesh.
    All {
        /// The mesh's epoch when it was asked for: satisfied once the mesh is beyond. So two requests at once are one.
        from: Epoch,
        /// The idle keys are made anew first.
        fresh: bool,
        /// Whoever has not moved is cut.
        force: bool,
    },
    /// One node: both its keys.
    Node {
        /// Which.
        node: NodeName,
        /// Its [`turns`](Published::turns) when it was asked for: satisfied once it has begun more.
        from: u64,
        /// Whoever has not moved is cut.
        force: bool,
    },
}

/// One thing that happened. Events that tell nothing new change nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// There is a Node object. Must come before its publication.
    Joined {
        /// Its name.
        node: NodeName,
        /// Its UID.
        uid: NodeUid,
    },
    /// A Node object is gone (seen to be deleted: not merely absent from a list).
    Left {
        /// Its name.
        node: NodeName,
        /// Its UID.
        uid: NodeUid,
    },
    /// A publication was read, of a peer or our own.
    Read(Arc<Published>),
    /// All Node objects, publications and requests that were there when the agent started have been handed in. Before
    /// that it begins nothing.
    Listed,
    /// Our publication of this serial is in the API.
    Published(u64),
    /// The object with the mesh's epoch was read.
    Mesh {
        /// The epoch it names.
        epoch: Epoch,
        /// How long it has named it.
        age: Duration,
    },
    /// A request was read.
    Requested(Request),
    /// A revocation or its end was read. Of several about a UID the one with the greatest number holds.
    Judged {
        /// The node's name.
        node: NodeName,
        /// The UID it is about.
        uid: NodeUid,
        /// Greater than any before about this UID.
        number: u64,
        /// Revoked, or admitted again.
        revoked: bool,
        /// The keys that a publication of this UID shows, if there is one: the node's object may be gone by the time, and with it
        /// what was known of it. Those that are known as somebody else's are left out.
        keys: BTreeSet<PublicKey>,
    },
    /// A key that was asked for is made, on disk and synced, and set on its device, which has no peers.
    KeyMade {
        /// Whose plane.
        plane: Plane,
        /// Its public half and epoch.
        key: OwnKey,
    },
    /// A probe of full MTU was answered by the peer's agent, there and back over this plane.
    ProbeAnswered {
        /// By whom.
        peer: NodeName,
        /// Over which plane.
        plane: Plane,
        /// Our key there when it was sent.
        ours: PublicKey,
        /// The peer's.
        theirs: PublicKey,
    },
    /// It was not, in time.
    ProbeUnanswered {
        /// By whom.
        peer: NodeName,
        /// Over which plane.
        plane: Plane,
    },
    /// A peer's word came over the mesh.
    Word {
        /// Whose, proven by the WireGuard peer it came from.
        from: NodeName,
        /// What it says.
        word: Word,
    },
    /// Our word has reached a peer.
    Told {
        /// Whom.
        peer: NodeName,
        /// What it was.
        word: Word,
    },
    /// Something was received from a peer, on either plane: its counters moved.
    Heard(NodeName),
    /// Time passes: at least once a second while anything is under way.
    Tick,
}

/// What a starting agent finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// What was persisted last. `None` also where it cannot be read.
    pub record: Option<Record>,
    /// The keys on disk.
    pub keys: PerPlane<Option<OwnKey>>,
    /// Our own publication, if there is one of our UID.
    pub published: Option<Arc<Published>>,
    /// The mesh's epoch as its object names it.
    pub mesh: Epoch,
    /// What the kernel still does: the plane that the route to each peer leads to.
    pub routes: BTreeMap<NodeName, Plane>,
    /// The peers that each device has, with their keys.
    pub peers: PerPlane<BTreeMap<NodeName, PublicKey>>,
}
