//! Policy compilation: a pure function from a snapshot, as one node sees it, to the datapath's tables.

pub mod tables;
