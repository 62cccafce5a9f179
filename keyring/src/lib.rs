//! WireGuard keys of a node: their types, their store on disk, the two planes they belong to, and what
//! a node publishes of them.
//!
//! Promise: **a private key never leaves its node.** No type here that holds one can be cloned, printed,
//! compared in variable time or serialized by accident; the only ways to the bytes are methods named
//! `expose_*`, and what they return wipes itself. The store on disk refuses to work with files that anybody
//! else could have read.
//!
//! | module | concern |
//! |---|---|
//! | [`key`] | private, public and preshared keys as distinct types |
//! | [`plane`] | the two WireGuard devices |
//! | [`epoch`] | the numbers of keys, which alternate between the planes |
//! | [`store`] | private keys on disk: atomic, synced, never overwritten, refused when damaged or exposed |
//! | [`publication`] | what a node tells its peers: public keys, epochs, ports, underlay addresses |
//! | [`pair`] | what proves a message to be of the node that has a key |
//! | [`audit`] | what became of keys, as lines chained by hash |
//! | [`rotation`] | from one epoch to the next: a pure state machine `(state, now, event) -> (state, actions)` |
//!
//! [`rotation`] decides when [`store::KeyStore::retire`] and [`store::KeyStore::create`] are called; the other modules
//! decide nothing for it.
//!
//! The crate does file IO with `std` and nothing else: no sockets, no netlink, no async, no clock.

pub mod audit;
pub mod epoch;
pub mod key;
pub mod pair;
pub mod plane;
pub mod publication;
pub mod rotation;
pub mod store;

pub use epoch::{Epoch, EpochError};
pub use key::{KeyError, PresharedKey, PrivateKey, PublicKey, RandomnessError};
pub use pair::PairKey;
pub use plane::{PerPlane, Plane, UnknownPlane};
pub use publication::{Progress, Publication, PublicationError, PublishedPlane};
pub use store::{KeyStore, PlaneKey, PlaneKeys, StoreError};
