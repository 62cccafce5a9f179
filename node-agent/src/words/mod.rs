//! What agents say to each other over the mesh: probes of full size, and words about the plane they send on.
//!
//! One UDP socket a plane and family, bound to the plane's device: what goes out of it goes over that plane whatever the
//! routes say, and what comes in has come through that plane's WireGuard. Who sent it is told by its source, a node
//! address, which WireGuard lets only that node's peer use; and proven by the key of that node on that plane, which only
//! its agent holds: any process of the host's network there can send from the node's address.
//!
//! | module | concern |
//! |---|---|
//! | `message` | what is said, as bytes |
//! | `line` | the sockets of one plane |
//! | `book` | who has which address; probes that wait for an answer |
//! | `refused` | what came in and was not believed |
//! | `said` | what is to be said, and what was |
//! | `task` | sending, receiving, giving up |

mod book;
mod line;
mod message;
mod refused;
mod said;
mod task;
#[cfg(test)]
mod tests;

pub use book::{Addressees, Party};
pub use refused::{Refused, RefusedOf};
pub use said::{Command, Incoming};
pub use task::run;

/// UDP port of the agents' sockets on the WireGuard devices, host order. Nothing else of the node may use it there.
pub const PORT: u16 = 51873;
