//! The asking side: blocking, with one deadline over everything.
use super::{MAX_LINE, Reply, Request};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// The agent could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens, or the connection broke.
    #[error(
        "the ringfence agent does not answer on {}: {source}; is it running on this node, and are you root?",
        socket.display()
    )]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No reply in time.
    #[error("the ringfence agent does not answer on {}: no reply within {} ms", socket.display(), deadline.as_millis())]
    Deadline {
        /// The socket.
        socket: PathBuf,
        /// How long was waited.
        deadline: Duration,
    },
    /// The reply is none we know: another version, perhaps.
    #[error("the ringfence agent on {} gave a reply that cannot be read: {source}", socket.display())]
    Reply {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

/// Sends one request and waits for its reply, both within `deadline`.
///
/// # Errors
/// [`ControlError`].
pub fn exchange(socket: &Path, request: &Request, deadline: Duration) -> Result<Reply, ControlError> {
    let unreachable = |source| ControlError::Unreachable { socket: socket.to_path_buf(), source };
    let mut line = serde_json::to_vec(request).map_err(|e| unreachable(e.into()))?;
    line.push(b'\n');
    // connect(2) on a unix socket has no timeout of its own (a stopped agent's backlog can be full), hence the thread.
    let (send, receive) = mpsc::channel();
    let path = socket.to_path_buf();
    std::thread::spawn(move || {
        // Nobody listens any more once the deadline has passed.
        let _ = send.send(ask(&path, &line));
    });
    match receive.recv_timeout(deadline) {
        Ok(Ok(reply)) => serde_json::from_slice(&reply)
            .map_err(|source| ControlError::Reply { socket: socket.to_path_buf(), source }),
        Ok(Err(source)) => Err(unreachable(source)),
        Err(_) => Err(ControlError::Deadline { socket: socket.to_path_buf(), deadline }),
    }
}

fn ask(socket: &Path, line: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(line)?;
    let mut reply = Vec::new();
    BufReader::new(stream.take(MAX_LINE as u64)).read_until(b'\n', &mut reply)?;
    if reply.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection"));
    }
    Ok(reply)
}
