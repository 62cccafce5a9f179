//! WireGuard where the kernel has none: the `gotatun` library on a TUN device, in a process of its own so that it
//! outlives the agent.
//!
//! It is configured as every userspace WireGuard is, over the socket `/var/run/wireguard/NAME.sock`
//! (<https://www.wireguard.com/xplatform/>), so the agent's way is the same for both backends. The socket is served
//! here and not by the library, whose own server makes a changed peer anew and so forgets its session.
//!
//! | module | concern |
//! |---|---|
//! | `run` | the process: TUN device, socket, end |
//! | `uapi` | the socket's protocol |
//! | `refused` | counting what AllowedIPs refuse |
//! | `process` | starting and stopping such a process from the agent |

mod process;
mod refused;
mod run;
mod uapi;

pub use process::{ProcessError, SpawnConfig, ensure_running, refused_packets, responds, stop};
pub use run::{Args, RunError, run};

use std::path::{Path, PathBuf};

/// Where userspace implementations of WireGuard have their sockets.
pub const SOCKET_DIRECTORY: &str = "/var/run/wireguard";

/// The configuration socket of the device `name`.
#[must_use]
pub fn socket_path(name: &str) -> PathBuf {
    Path::new(SOCKET_DIRECTORY).join(format!("{name}.sock"))
}
