//! Rotation of keys, as a pure state machine: what happens to a node goes in as an [`Event`], what it is to do comes
//! out as [`Action`]s. No clock, no IO, no secrets.
//!
//! Each node has a key on each plane, of epochs that differ by one; a plane carries traffic between two nodes only where
//! their keys have the same epoch. The mesh's epoch M says which plane is wanted: that of the keys of M. A key is replaced
//! when it is *due* (older than the mesh wants, or its node is *leaving* it out of turn) and nobody uses it: this node sends
//! to nobody there, every peer gave its [`Word`] that it never will again, and ten seconds have passed.
//!
//! | module | concern |
//! |---|---|
//! | `state` | what a node knows; one step |
//! | `pairs` | which plane a pair should be on; probes, routes, words |
//! | `retire` | when a key may go, and the next one |
//! | `raise` | the mesh's epoch |
//! | `turn` | one node's keys, idle keys |
//! | `accept` | whose publications are believed |
//! | `heed` | peers that saw newer publications of this node |
//! | `revoke` | nodes cut off |
//! | `start` | restarts, restored disks and objects |
//! | `record` | what survives a restart |

mod accept;
mod action;
mod event;
mod heed;
mod mistake;
mod moment;
mod pairs;
mod published;
mod raise;
mod record;
mod retire;
mod revoke;
mod start;
mod state;
mod turn;
mod view;
mod waiting;

pub use action::{Action, PresharedName, Refusal, Remake, Report};
pub use event::{Event, Found, Request};
pub use mistake::Mistake;
pub use moment::{LINGER, Moment, SILENCE, STALENESS};
pub use published::{NodeName, NodeUid, OwnKey, Published, PublishedKey, Word};
pub use record::{Judgement, Known, Record, RecordError, VERSION};
pub use state::State;
pub use waiting::{Reason, Waiting};
