//! Runs the real eBPF programs on single packets with BPF_PROG_TEST_RUN: packets in; verdicts, marks and counters out.
//!
//! Needs root and a kernel from 5.15 on. Every [`Rig`] has maps and a network namespace of its own, so rigs of several
//! threads do not meet, and nothing is pinned or attached.

pub mod context;
pub mod outcome;
pub mod packet;
pub mod rig;
pub mod tables;
pub mod world;

pub use context::Context;
pub use outcome::{Outcome, Verdict};
pub use packet::Packet;
pub use rig::Rig;
pub use world::{Family, Who, World};
