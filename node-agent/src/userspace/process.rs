//! Starting and stopping the process of a userspace WireGuard device.
use super::socket_path;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Making a TUN device and a socket takes some milliseconds. A loaded machine gets much more, but not so much that
/// whoever waits would neglect everything else.
const START: Duration = Duration::from_secs(4);
/// After this time without an end SIGKILL follows SIGTERM.
const STOP: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(10);
/// A log beyond this size is set aside when the process starts.
const MAX_LOG: u64 = 4 << 20;

/// How a device's process is started.
#[derive(Clone, Debug)]
pub struct SpawnConfig {
    /// The program with the `wireguard-userspace` subcommand, as a rule our own.
    pub binary: PathBuf,
    /// Directory of pid file and log, made if it is not there.
    pub state: PathBuf,
    /// Name of the device.
    pub name: String,
    /// Its first MTU, bytes.
    pub mtu: u32,
}

impl SpawnConfig {
    fn pid_file(&self) -> PathBuf {
        pid_file(&self.state, &self.name)
    }

    /// Where the process logs.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.state.join(format!("wireguard-{}.log", self.name))
    }
}

fn pid_file(state: &Path, name: &str) -> PathBuf {
    state.join(format!("wireguard-{name}.pid"))
}

/// Why there is no process.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// A file could not be used.
    #[error("userspace WireGuard {name}: cannot {operation} {path}: {source}")]
    Io {
        /// The device.
        name: String,
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It ended at once.
    #[error("userspace WireGuard {name} ended at start ({status}): {log}")]
    Ended {
        /// The device.
        name: String,
        /// Exit status.
        status: String,
        /// The last line of its log.
        log: String,
    },
    /// It does not end.
    #[error("userspace WireGuard {name} (process {pid}) does not end, not even by SIGKILL")]
    Unkillable {
        /// The device.
        name: String,
        /// Process id.
        pid: i32,
    },
    /// It runs but does not answer.
    #[error("userspace WireGuard {name} did not answer within {} s of its start: see {log}", START.as_secs())]
    Silent {
        /// The device.
        name: String,
        /// Its log.
        log: PathBuf,
    },
}

/// Starts the process unless one answers already. What is left of a former one is cleared away first.
///
/// # Errors
/// [`ProcessError`] when no process answers in the end.
pub async fn ensure_running(config: &SpawnConfig) -> Result<(), ProcessError> {
    let name = &config.name;
    let failed = |operation, path: PathBuf| {
        move |source| ProcessError::Io { name: name.clone(), operation, path, source }
    };
    if responds(name) {
        return Ok(());
    }
    stop(&config.state, name).await?;
    fs::create_dir_all(&config.state).map_err(failed("make", config.state.clone()))?;
    let log_file = config.log_file();
    let log = open_log(&log_file).map_err(failed("open", log_file.clone()))?;
    let errors = log.try_clone().map_err(failed("open", log_file.clone()))?;
    let mut child = tokio::process::Command::new(&config.binary)
        .arg("wireguard-userspace")
        .args(["--name", name, "--mtu", &config.mtu.to_string(), "--pid-file"])
        .arg(config.pid_file())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(failed("run", config.binary.clone()))?;
    let deadline = Instant::now() + START;
    // The child is reaped by tokio when it ends, also after it was dropped here; it is never killed for that.
    while !responds(name) {
        let ended = child.try_wait().map_err(failed("wait for", config.binary.clone()))?;
        if let Some(status) = ended {
            let (name, status) = (name.clone(), status.to_string());
            return Err(ProcessError::Ended { name, status, log: last_line(&log_file) });
        }
        if Instant::now() >= deadline {
            stop(&config.state, name).await?;
            return Err(ProcessError::Silent { name: name.clone(), log: log_file });
        }
        sleep(POLL).await;
    }
    Ok(())
}

/// Ends the process of the device, if there is one, and clears its files away. The device goes with it.
///
/// # Errors
/// [`ProcessError::Io`] when a file cannot be removed, [`ProcessError::Unkillable`].
pub async fn stop(state: &Path, name: &str) -> Result<(), ProcessError> {
    if let Some(pid) = running(state, name) {
        let _ = kill(pid, Signal::SIGTERM);
        let deadline = Instant::now() + STOP;
        while is_ours(pid, name) {
            if Instant::now() >= deadline + STOP {
                return Err(ProcessError::Unkillable { name: name.to_owned(), pid: pid.as_raw() });
            }
            if Instant::now() >= deadline {
                let _ = kill(pid, Signal::SIGKILL);
            }
            sleep(POLL).await;
        }
    }
    for path in [pid_file(state, name), socket_path(name)] {
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(ProcessError::Io { name: name.to_owned(), operation: "remove", path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether something listens on the device's socket.
#[must_use]
pub fn responds(name: &str) -> bool {
    UnixStream::connect(socket_path(name)).is_ok()
}

/// Packets that the device refused because their source is none of the peer's AllowedIPs, since its process began.
///
/// # Errors
/// What the socket says; `InvalidData` if it is another implementation's.
pub fn refused_packets(name: &str) -> io::Result<u64> {
    let mut socket = UnixStream::connect(socket_path(name))?;
    socket.set_read_timeout(Some(STOP))?;
    socket.write_all(b"refused=1\n\n")?;
    socket.shutdown(std::net::Shutdown::Write)?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let count = answer.lines().find_map(|line| line.strip_prefix("refused_packets=")?.parse().ok());
    count.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The process by its pid file, or by who listens on the socket: either may have been removed.
fn running(state: &Path, name: &str) -> Option<Pid> {
    let written = fs::read_to_string(pid_file(state, name)).ok();
    let written = written.and_then(|text| text.trim().parse().ok()).map(Pid::from_raw);
    let listening = || {
        let socket = UnixStream::connect(socket_path(name)).ok()?;
        let peer = nix::sys::socket::getsockopt(&socket, nix::sys::socket::sockopt::PeerCredentials).ok()?;
        Some(Pid::from_raw(peer.pid()))
    };
    written.filter(|pid| is_ours(*pid, name)).or_else(listening).filter(|pid| is_ours(*pid, name))
}

/// Whether the process is what we start for that device, and not another one that got its number since.
fn is_ours(pid: Pid, name: &str) -> bool {
    let alive = kill(pid, None) != Err(Errno::ESRCH);
    let Ok(command) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    // A zombie's command line is empty.
    let mut arguments = command.split(|byte| *byte == 0);
    let ours = arguments.any(|argument| argument == b"wireguard-userspace");
    alive && ours && command.split(|byte| *byte == 0).any(|argument| argument == name.as_bytes())
}

fn open_log(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|found| found.len() > MAX_LOG) {
        fs::rename(path, path.with_extension("log.old"))?;
    }
    File::options().create(true).append(true).open(path)
}

fn last_line(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it logged nothing").to_owned()
}
