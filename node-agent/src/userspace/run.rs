//! The process of one userspace WireGuard device.
use super::refused::{Refused, is_candidate};
use super::{SOCKET_DIRECTORY, socket_path, uapi};
use futures::StreamExt;
use gotatun::device::DefaultDeviceTransports;
use gotatun::tun::tun_async_device::TunDevice;
use nix::net::if_::if_nametoindex;
use nix::sys::stat::{Mode, umask};
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::prelude::*;

/// A configured device.
pub(super) type Device = gotatun::device::Device<DefaultDeviceTransports>;

/// Arguments of `ringfence wireguard-userspace`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Name of the device to make
    #[arg(long)]
    pub name: String,
    /// MTU of the device until it is set otherwise, in bytes
    #[arg(long, default_value_t = 1420)]
    pub mtu: u16,
    /// Where to write this process's id
    #[arg(long)]
    pub pid_file: Option<PathBuf>,
}

/// Why the process ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A system call on a file or the process itself.
    #[error("{operation} {path}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process serves the device.
    #[error("{path} is answered by another process already")]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The TUN device could not be made.
    #[error("cannot make the TUN device {name}: {reason} (is /dev/net/tun there, and the name free?)")]
    Tun {
        /// Its name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The device stopped working: somebody deleted it.
    #[error("the device {name} is gone")]
    Gone {
        /// Its name.
        name: String,
    },
}

/// Serves the device until it is deleted or the process gets SIGTERM or SIGINT. Logs to standard error.
///
/// Becomes a session of its own, so that what ends the agent's does not end it, and is not dumpable, for it holds a
/// private key.
///
/// # Errors
/// [`RunError`]; [`RunError::Gone`] when the device was deleted under it.
pub fn run(args: &Args) -> Result<(), RunError> {
    let process = |operation, source: nix::Error| RunError::Io {
        operation,
        path: PathBuf::from("/proc/self"),
        source: source.into(),
    };
    // A session leader already (started by hand from a shell, say) stays one.
    let _ = nix::unistd::setsid();
    nix::sys::prctl::set_dumpable(false).map_err(|source| process("make undumpable", source))?;
    umask(Mode::from_bits_truncate(0o077));
    let refused = Refused::default();
    let quiet = filter_fn(|metadata| !is_candidate(metadata));
    let level = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
    // Filters are for each layer alone; a second subscriber in one process (in tests) is not an error.
    let _ = tracing_subscriber::registry()
        .with(log.with_filter(level.and(quiet)))
        .with(refused.clone().with_filter(filter_fn(is_candidate)))
        .try_init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|source| RunError::Io {
        operation: "start threads of",
        path: PathBuf::from("/proc/self"),
        source,
    })?;
    let result = runtime.block_on(serve(args, refused));
    runtime.shutdown_background();
    result
}

async fn serve(args: &Args, refused: Refused) -> Result<(), RunError> {
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| RunError::Io { operation, path, source }
    };
    let socket = socket_path(&args.name);
    let directory = Path::new(SOCKET_DIRECTORY);
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed("make", directory))?;
    if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
        return Err(RunError::InUse { path: socket });
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(failed("wait for SIGTERM in", &socket))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed("wait for SIGINT in", &socket))?;
    let mut deleted = deletions().map_err(failed("watch devices for", &socket))?;
    let tun = tun(args).map_err(|reason| RunError::Tun { name: args.name.clone(), reason })?;
    let index = if_nametoindex(args.name.as_str());
    let builder = gotatun::device::build().with_default_udp().with_ip(tun);
    let device = builder.build().await;
    let mut device: Device =
        device.map_err(|error| RunError::Tun { name: args.name.clone(), reason: error.to_string() })?;
    let pid = format!("{}\n", std::process::id());
    if let Some(path) = &args.pid_file {
        fs::write(path, &pid).map_err(failed("write", path))?;
    }
    // The socket comes last: once it answers, everything is there.
    match fs::remove_file(&socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &socket)(error));
        }
        _ => {}
    }
    let listener = UnixListener::bind(&socket).map_err(failed("listen on", &socket))?;
    let ours = inode(&socket);
    tracing::info!(name = args.name, "userspace WireGuard runs");
    let result = loop {
        // Sequential: whoever is connected has the device to himself, as with netlink.
        tokio::select! {
            () = device.wait() => break Err(RunError::Gone { name: args.name.clone() }),
            // The library waits for the device to become readable, which one that is gone never does.
            _ = deleted.next() => if if_nametoindex(args.name.as_str()) != index {
                break Err(RunError::Gone { name: args.name.clone() });
            },
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => uapi::serve(stream, &device, &refused).await,
                Err(error) => tracing::warn!(%error, "cannot accept a connection"),
            }
        }
    };
    // Unless a successor has put its own there.
    if inode(&socket).is_some_and(|now| Some(now) == ours) {
        let _ = fs::remove_file(&socket);
    }
    if let Some(path) =
        args.pid_file.as_ref().filter(|path| fs::read_to_string(path).is_ok_and(|text| text == pid))
    {
        let _ = fs::remove_file(path);
    }
    result
}

/// Something for every device that is deleted.
fn deletions() -> io::Result<impl futures::Stream + Unpin> {
    let (connection, _, messages) = rtnetlink::new_multicast_connection(&[rtnetlink::MulticastGroup::Link])?;
    tokio::spawn(connection);
    let deleted = |message: &NetlinkMessage<RouteNetlinkMessage>| match &message.payload {
        NetlinkPayload::InnerMessage(message) => matches!(message, RouteNetlinkMessage::DelLink(_)),
        // Lost ones may have been just that.
        payload => matches!(payload, NetlinkPayload::Overrun(_)),
    };
    Ok(messages.filter(move |(message, _)| std::future::ready(deleted(message))))
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

fn tun(args: &Args) -> Result<TunDevice, String> {
    let mut config = gotatun::tun::tun::Configuration::default();
    config.tun_name(&args.name).mtu(args.mtu);
    let device = gotatun::tun::tun::create_as_async(&config).map_err(|error| error.to_string())?;
    TunDevice::from_tun_device(device).map_err(|error| error.to_string())
}
