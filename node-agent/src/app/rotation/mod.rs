//! Rotation of keys, carried out: the protocol's state, this node's private keys, and what is still to be done.
//!
//! | module | concern |
//! |---|---|
//! | `start` | what a starting agent takes over |
//! | `file` | the record on disk |
//! | `heads` | which ends of peers' audit logs are noted |
//! | `feed` | what happens, as events |
//! | `keep` | keys made and destroyed, the record, the audit log |
//! | `view` | what the mesh is compiled from, whom to talk to, what to show |
//!
//! [`MeshKeeper`](super::mesh::MeshKeeper) takes the actions off the queue and does what concerns kernel, mesh and API.

mod feed;
mod file;
mod heads;
mod journal;
mod keep;
mod start;
#[cfg(test)]
mod tests;
mod view;

use feed::Fed;
use file::RecordFile;
pub(super) use file::RecordFileError;
use heads::Noted;
pub use journal::AUDIT_LOG;
pub(super) use journal::Journal;
pub(super) use start::Start;

use super::clock;
use crate::mesh::LocalKeysView;
use crate::words::{Command, Incoming};
use ringfence_keyring::rotation::{Action, Event, Moment, NodeName, Refusal, State, Word};
use ringfence_keyring::{KeyStore, PairKey, PerPlane, Plane, PlaneKey, PublicKey, Publication, StoreError};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Why this node cannot go on with the rotation: it is begun anew, from disk and kernel, as after a restart.
#[derive(Debug, thiserror::Error)]
pub(super) enum RotationError {
    /// The keys on disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The record on disk.
    #[error(transparent)]
    Record(#[from] RecordFileError),
}

/// One node's part in the protocol, with all that is secret in it.
pub(super) struct Rotation {
    pub(super) state: State,
    pub(super) keys: PerPlane<Option<PlaneKey>>,
    pub(super) journal: Journal,
    /// Whether the kernel is where the state wants it; not yet at the start.
    pub(super) stands: bool,
    /// Routes that cannot be made, and why: no traffic rests on them.
    pub(super) unmade: Vec<String>,
    /// What the kernel was brought to last.
    pub(super) brought: Option<LocalKeysView>,
    /// Our own publication as it was written last, and when.
    pub(super) written: Option<(Publication, Moment)>,
    store: KeyStore,
    file: RecordFile,
    queue: VecDeque<Action>,
    fed: Fed,
    /// Words that are to be answered once all that they caused is done.
    unanswered: Vec<(NodeName, Word)>,
    refusals: BTreeMap<NodeName, Refusal>,
    /// Bytes received from each peer of each device when it was last looked.
    received: BTreeMap<(Plane, PublicKey), u64>,
    /// What proves messages of ours and of peers, by our key and theirs.
    pairs: BTreeMap<(PublicKey, PublicKey), Arc<PairKey>>,
    /// The ends of peers' audit logs that were noted.
    heads: BTreeMap<NodeName, Noted>,
    in_use: Option<PublicKey>,
    ticked: Moment,
}

impl Rotation {
    /// Something happened. What follows is done after what is already to be done.
    pub(super) fn step(&mut self, event: Event) {
        let actions = self.state.step(clock::moment(), event);
        self.queue.extend(actions);
    }

    /// What was asked for is done. What follows comes before all else.
    pub(super) fn answer(&mut self, event: Event) {
        for action in self.state.step(clock::moment(), event).into_iter().rev() {
            self.queue.push_front(action);
        }
    }

    /// What is to be done next.
    pub(super) fn next(&mut self) -> Option<Action> {
        self.queue.pop_front()
    }

    /// Takes in what other agents said.
    pub(super) fn hear(&mut self, incoming: Incoming) {
        let event = match incoming {
            Incoming::ProbeAnswered { node: peer, plane, ours, theirs } => {
                Event::ProbeAnswered { peer, plane, ours, theirs }
            }
            Incoming::ProbeUnanswered { node: peer, plane } => Event::ProbeUnanswered { peer, plane },
            Incoming::Told { node: peer, word } => Event::Told { peer, word },
            Incoming::Word { node: from, word, asks } => {
                if asks {
                    self.unanswered.push((from.clone(), word));
                }
                Event::Word { from, word }
            }
        };
        self.step(event);
    }

    /// The answers to what was heard. Whatever they rest on is on disk by now.
    pub(super) fn replies(&mut self) -> Vec<Command> {
        let unanswered = std::mem::take(&mut self.unanswered);
        let answer = |(node, heard): (NodeName, Word)| {
            let word = self.state.word_for(&node);
            Command::Answer { node, heard, word }
        };
        unanswered.into_iter().map(answer).collect()
    }
}
