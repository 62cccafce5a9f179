//! The rotation protocol, run by several nodes in one process.
#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "a test, and modules that two share"
)]

#[path = "rotation/executor.rs"]
mod executor;
#[path = "rotation/keys.rs"]
mod keys;
#[path = "rotation/print.rs"]
mod print;
#[path = "rotation/run.rs"]
mod run;
#[path = "rotation/world.rs"]
mod world;

#[path = "rotation/backups.rs"]
mod backups;
#[path = "rotation/gone.rs"]
mod gone;
#[path = "rotation/membership.rs"]
mod membership;
#[path = "rotation/random.rs"]
mod random;
#[path = "rotation/turns.rs"]
mod turns;
#[path = "rotation/whole.rs"]
mod whole;
