//! Policy compilation: a pure function from a snapshot, as one node sees it, to the datapath's tables.
//!
//! [`Compiler`] compiles; [`Tables`](tables::Tables) are the result, and answer as the programs do (`lookup`).
//! The way of a change: Node objects (`nodes`) say whose addresses are whose, pods claim theirs (`claims`), sandboxes
//! are matched with pods (`locals`), policies that select one are compiled (`selection`, `rules`), their peers become
//! numbered matchers (`matcher`), which pods satisfy by labels (`identity`), addresses by ranges (`blocks`), and
//! destinations by named ports (`named`). The set that an address satisfies is its class (`classes`, `addresses`); the set
//! of policies that select a pod is its profile (`profiles`); profile and class make an entry (`entries`).

mod addresses;
mod backends;
mod bitmaps;
mod blocks;
mod claims;
mod classes;
mod compiler;
mod delta;
mod effort;
mod entries;
mod explain;
mod identity;
mod locals;
mod lookup;
mod matcher;
mod misread;
mod mistake;
mod named;
mod nodes;
pub mod offline;
mod ports;
mod profiles;
mod ranges;
mod rules;
mod selection;
mod selector;
mod service_table;
mod services;
mod sets;
mod shares;
mod spans;
mod stages;
pub mod tables;
#[cfg(test)]
mod tests;
pub mod verdict;

pub use backends::{Backend, backends};
pub use compiler::{CompileOutput, Compiler};
pub(crate) use lookup::masked;
pub use lookup::{Located, bitmap_has, kind_of, service_key};
pub use mistake::Mistake;
pub use ranges::gateway;
pub use rules::Direction;
