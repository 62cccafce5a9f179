//! What the tables say, for each line of the rules.

mod effort;
mod isolation;
mod lifetimes;
mod peers;
mod places;
mod ports;
mod services;
mod spans;
pub(super) mod world;
