//! How the CNI plugin and the command line talk to the agent: lines of JSON over a unix socket.
//!
//! One request a line, one reply a line, in order; a connection may carry several. A line is at most
//! [`MAX_LINE`] bytes. Only root may connect (the socket is 0600).

mod client;
mod protocol;
mod server;
#[cfg(test)]
mod tests;

pub use client::{ControlError, exchange};
pub use protocol::{AddRequest, MAX_LINE, RefusalKind, Reply, Request, Sandbox};
pub use server::{Call, serve};

/// Name of the socket in the agent's run directory.
pub const SOCKET: &str = "agent.sock";
