//! Which packets may pass, in plain rules: the slow evaluator, extended from connections to packets and to what was sent
//! before. Nothing under this directory shares code with the compiler or the programs.
//!
//! A packet is judged over its whole way, never hook by hook:
//! - its source must live where it comes from;
//! - policy must allow it in both directions for its own sake, or
//! - it answers, or is an ICMP error about, something that policy allows; mid-stream TCP may be taken up again where
//!   policy lets the other end open the connection;
//! - of what cannot be read, everything is needed: a rule that covers every protocol and port.
//!
//! Where the documents lay nothing down, the oracle says so ([`Tri::Maybe`]); the test counts how often.

mod dialling;
mod ends;
mod errors;
mod fragments;
mod history;
mod policy;
mod rules;
mod services;
mod source;
mod whole;

pub use ends::{Known, Who};
pub use history::{History, Record};
pub use policy::{Ends, Judged, Tri};
pub use rules::{Facts, Oracle, Sent};
pub use source::Sender;

use ringfence_abi::Reason;

/// What must become of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expectation {
    /// Whether it arrives.
    pub verdict: Tri,
    /// The rule that says so, for coverage and reports.
    pub rule: &'static str,
    /// Of a drop: what may be counted. Empty: anything.
    pub reasons: &'static [Reason],
    /// Who gets it if it arrives, where that can be told.
    pub receiver: Option<Who>,
}

impl Expectation {
    pub(self) fn new(verdict: Tri, rule: &'static str) -> Self {
        Self { verdict, rule, reasons: &[], receiver: None }
    }

    pub(self) fn drop(rule: &'static str, reasons: &'static [Reason]) -> Self {
        Self { verdict: Tri::No, rule, reasons, receiver: None }
    }
}
