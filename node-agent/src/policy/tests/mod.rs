//! What the tables say, for each line of the rules.

mod isolation;
mod lifetimes;
mod peers;
mod places;
mod ports;
mod services;
pub(super) mod world;
