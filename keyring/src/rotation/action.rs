//! What a node is to do, as values.

use std::sync::Arc;

use super::published::{NodeName, Published, Word};
use super::waiting::Waiting;
use crate::epoch::Epoch;
use crate::key::PublicKey;
use crate::plane::Plane;

/// Names a preshared key of a pair of nodes, without holding it: the two agree on it over the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PresharedName {
    /// The epoch of the keys it is mixed with.
    pub epoch: Epoch,
    /// Counts the agreements of this pair and epoch.
    pub number: u32,
}

/// One step, to be carried out in the order given. [`Action::Persist`] comes first where there is one.
///
/// If a local step fails (all but `Tell`, `Publish`, `RaiseEpoch`, `Probe`), the rest of its batch is not carried out and the
/// state is built anew from disk and kernel, as after a restart. The others may fail, get lost or be late.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Write [`State::record`](super::State::record) to disk, synced.
    Persist,
    /// Add the peer to a plane's device, or give it this key in place of the one it had there.
    ConfigurePeer {
        /// Whom.
        peer: NodeName,
        /// Where.
        plane: Plane,
        /// Its key.
        key: PublicKey,
        /// Mixed in, if the pair has agreed on one. Always `None` as yet.
        preshared: Option<PresharedName>,
    },
    /// Let all traffic to the peer take this plane: routes are replaced in place, never deleted and added.
    ReplaceRoute {
        /// To whom.
        peer: NodeName,
        /// Onto which plane.
        plane: Plane,
    },
    /// Leave the blackhole alone to take what is sent to the peer.
    RemoveRoute {
        /// To whom.
        peer: NodeName,
    },
    /// Remove the peer from a plane's device.
    RemovePeer {
        /// Whom.
        peer: NodeName,
        /// Where.
        plane: Plane,
    },
    /// Remove all peers and the key from a plane's device; wipe the private key in memory, and destroy its file.
    /// Carried out again it does nothing more.
    Retire {
        /// Which.
        plane: Plane,
        /// The public half of what goes.
        public: PublicKey,
    },
    /// Make a key for a plane that has none, sync it to disk, set it on the device: answered by
    /// [`Event::KeyMade`](super::Event::KeyMade).
    MakeKey {
        /// Which plane.
        plane: Plane,
        /// Which epoch.
        epoch: Epoch,
    },
    /// Give the peer our word, and bring back its own ([`State::word_for`](super::State::word_for) there).
    Tell {
        /// Whom.
        peer: NodeName,
        /// What.
        word: Word,
    },
    /// Write our object.
    Publish(Arc<Published>),
    /// Raise the mesh's epoch, if its object still names `from` (compare and swap).
    RaiseEpoch {
        /// What it must be.
        from: Epoch,
        /// What it becomes.
        to: Epoch,
    },
    /// Send packets of full MTU over this plane's device whatever the routes say; the peer's agent answers likewise.
    Probe {
        /// Whom.
        peer: NodeName,
        /// Over which plane.
        plane: Plane,
        /// Our key there, echoed in the event.
        ours: PublicKey,
        /// The peer's, echoed in the event.
        theirs: PublicKey,
    },
    /// Say so, in the log and in the status.
    Report(Report),
}

impl Action {
    /// Whether it may fail without harm.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        matches!(
            self,
            Action::Tell { .. }
                | Action::Publish(_)
                | Action::RaiseEpoch { .. }
                | Action::Probe { .. }
                | Action::Report(_)
        )
    }
}

/// What people should know.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Report {
    /// A plane cannot be retired yet, and because of whom.
    Waiting(Vec<Waiting>),
    /// A peer that was not heard for [`SILENCE`](super::SILENCE) is not waited for any more.
    GaveUp(NodeName),
    /// Something that was read is not used.
    Refused {
        /// Whose it is.
        node: NodeName,
        /// Why.
        why: Refusal,
    },
    /// Both keys are made anew, because those on disk must not be used.
    Remade(Remake),
    /// A node was cut off, on all planes.
    Revoked(NodeName),
    /// It may come back.
    Admitted(NodeName),
    /// Some peers say for long that they saw newer publications of this node than it knows of, and most do not. It goes
    /// on with its keys, under a number that those believe.
    Doubted {
        /// Those who say so.
        by: Vec<NodeName>,
        /// The greatest number named.
        seen: u64,
    },
    /// The mesh's object named a lower epoch than the one it had reached.
    EpochWentBack {
        /// What it said.
        named: Epoch,
        /// What it had reached.
        known: Epoch,
    },
}

/// Why something that was read is not used.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// No Node object of that name and UID.
    #[error("there is no Node with UID {uid}")]
    NotAMember {
        /// The UID it names.
        uid: String,
    },
    /// The node is revoked.
    #[error("the node with UID {uid} is revoked; remedy: ringfence keys admit, if it is back in good hands")]
    Revoked {
        /// Its UID.
        uid: String,
    },
    /// Older than one that was seen before.
    #[error("publication {serial} is older than {seen}, which was seen before")]
    Old {
        /// Its serial.
        serial: u64,
        /// The greatest one seen.
        seen: u64,
    },
    /// Two different publications of one serial.
    #[error("publication {serial} contradicts another of the same serial")]
    Contradiction {
        /// The serial.
        serial: u64,
    },
    /// A key that belongs to another node.
    #[error("its key {fingerprint} is {owner}'s")]
    ForeignKey {
        /// As people compare them.
        fingerprint: String,
        /// The node that had it first.
        owner: String,
    },
    /// A key that a revoked node had.
    #[error("its key {fingerprint} is one that {owner} had when it was revoked")]
    RevokedKey {
        /// As people compare them.
        fingerprint: String,
        /// The node that was revoked.
        owner: String,
    },
    /// An epoch too far ahead to be believed.
    #[error("epoch {epoch} is too far beyond {known}")]
    Leap {
        /// What was read.
        epoch: Epoch,
        /// What is known.
        known: Epoch,
    },
}

/// Why a node makes both its keys anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Remake {
    /// Nothing on disk that could be used.
    #[error("there is no record of its keys on disk")]
    NoRecord,
    /// The agent was stopped while it made both anew.
    #[error("making them anew was interrupted")]
    Unfinished,
    /// The record and the key files do not belong together.
    #[error("the keys on disk are not those on record")]
    DiskDisagrees,
    /// The object is newer than the disk: the disk was restored from a backup.
    #[error("the published keys are newer than those on disk")]
    DiskIsOld,
    /// A peer has seen a newer publication than this node ever knew of.
    #[error("a peer saw newer keys of this node")]
    PeersSawNewer,
    /// The mesh has moved on while nobody could talk to this node.
    #[error("the mesh has moved on meanwhile")]
    LeftBehind,
}
