//! Mesh compilation: a pure function from a snapshot, as one node sees it, to devices, peers, routes, rules and NAT.
//!
//! | module | concern |
//! |---|---|
//! | `input` | what is known beside the snapshot: own public keys, what was agreed with peers, underlay, settings |
//! | `claims` | whose each pod CIDR and each address is |
//! | `members` | which nodes are believed: overlapping CIDRs and equal keys are refused |
//! | [`memory`] | who had what first, and what Node objects had that are gone |
//! | `peers` | devices and peers of both planes, MTU |
//! | `routes` | routes onto the mesh, blackholes behind them, rules on local pods' sources |
//! | `nat` | which packets keep which source |
//! | [`kernels`] | kernels whose WireGuard is known to be bad |
//! | [`spec`] | the result |

mod claims;
mod compile;
mod input;
pub mod kernels;
mod members;
pub mod memory;
mod nat;
mod net;
mod peers;
mod routes;
pub mod spec;
#[cfg(test)]
mod tests;

pub use compile::{MeshError, compile};
pub use input::{
    DEFAULT_KEEPALIVE, LocalKeysView, MeshConfig, MeshInput, Pair, Pairs, UnderlayAddress, UnderlayFacts,
};
pub use members::{believed, networks};
pub use memory::Memory;
pub use spec::MeshSpec;
