//! Mesh compilation: a pure function from a snapshot, as one node sees it, to devices, peers, routes, rules and NAT.

pub mod spec;
