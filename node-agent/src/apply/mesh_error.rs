//! What can go wrong while the mesh is observed or changed.
use crate::userspace::ProcessError;
use nix::errno::Errno;
use ringfence_keyring::Plane;
use std::io;

/// An operation on an object failed.
#[derive(Debug, thiserror::Error)]
pub enum MeshApplyError {
    /// The kernel refused a netlink request.
    #[error("cannot {operation} {object}: {reason}")]
    Netlink {
        /// What was tried.
        operation: &'static str,
        /// On what.
        object: String,
        /// The kernel's errno in words, or what the socket said.
        reason: String,
    },
    /// A file or socket.
    #[error("cannot {operation} {object}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        object: String,
        /// Why not.
        source: io::Error,
    },
    /// `nft` refused.
    #[error("cannot {operation} an nftables table of ours: {reason}")]
    Nft {
        /// What was tried.
        operation: &'static str,
        /// What nft said.
        reason: String,
    },
    /// The keyring has no private key for the public key that is wanted.
    #[error("the key of {plane} changed in the keyring meanwhile: the mesh is compiled anew")]
    Key {
        /// Of which device.
        plane: Plane,
    },
    /// The eBPF programs could not be put onto a device, which therefore stays down.
    #[error("cannot attach the programs to {device}, which stays down: {source}")]
    Programs {
        /// Which.
        device: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The userspace WireGuard's process.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// WireGuard did not answer.
    #[error("WireGuard on {device} did not answer within {seconds} s")]
    Silent {
        /// Which.
        device: String,
        /// How long was waited.
        seconds: u64,
    },
    /// No WireGuard of the kind that was asked for.
    #[error("this kernel has no WireGuard (module wireguard): load it, or use --wireguard userspace")]
    NoKernelWireguard,
}

impl MeshApplyError {
    pub(super) fn netlink(
        operation: &'static str,
        object: impl Into<String>,
    ) -> impl FnOnce(rtnetlink::Error) -> Self {
        let object = object.into();
        move |error| {
            let reason = match super::netlink::errno(&error) {
                Some(errno) => Errno::from_raw(errno).to_string(),
                None => error.to_string(),
            };
            Self::Netlink { operation, object, reason }
        }
    }

    pub(super) fn io(operation: &'static str, object: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let object = object.into();
        move |source| Self::Io { operation, object, source }
    }
}
