//! The answering side: reads requests, hands each to the task that owns the state, writes its reply.
use super::{MAX_LINE, RefusalKind, Reply, Request};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Askers at once; more wait to be accepted.
const ASKERS: usize = 128;
/// An asker that says nothing, or does not take its reply, for so long is cut off.
const IDLE: Duration = Duration::from_secs(60);
/// When the kernel has no descriptor for another asker, it is asked again after this.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// A request on its way to the task that answers it.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes; closed when the asker has gone.
    pub reply: oneshot::Sender<Reply>,
}

/// Listens on `socket` until `stop`. What a killed agent left there is replaced.
///
/// # Errors
/// When the socket cannot be made, or the task that answers has ended.
pub async fn serve(socket: &Path, calls: mpsc::Sender<Call>, stop: CancellationToken) -> io::Result<()> {
    match std::fs::remove_file(socket) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Cancel-safe: a token stays cancelled.
            () = stop.cancelled() => break,
            // Cancel-safe: tokio's accept takes no connection off the queue unless it returns it.
            accepted = listener.accept(), if connections.len() < ASKERS => match accepted {
                Ok((stream, _)) => _ = connections.spawn(connection(stream, calls.clone())),
                // Of one connection, or of too many files: no reason to stop.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a request");
                    tokio::time::sleep(EXHAUSTED).await;
                }
            },
            // Cancel-safe by its documentation; only clears finished tasks away. A broken connection is its peer's loss.
            Some(_) = connections.join_next() => {}
        }
        if calls.is_closed() {
            return Err(io::Error::other("the task that answers requests has ended"));
        }
    }
    connections.shutdown().await;
    // A socket that nobody listens on would only make the next asker wait.
    let _ = std::fs::remove_file(socket);
    Ok(())
}

async fn connection(stream: UnixStream, calls: mpsc::Sender<Call>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut read).take(MAX_LINE as u64);
        let n = timeout(IDLE, limited.read_until(b'\n', &mut line)).await??;
        if n == 0 {
            return Ok(());
        }
        let reply = answer(&line, &calls).await;
        let mut out = serde_json::to_vec(&reply)?;
        out.push(b'\n');
        timeout(IDLE, write.write_all(&out)).await??;
        if n == MAX_LINE {
            // What follows is the rest of a line that was too long, no request.
            return Ok(());
        }
    }
}

async fn answer(line: &[u8], calls: &mpsc::Sender<Call>) -> Reply {
    let request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(e) => {
            let message = format!("the request cannot be read: {e}");
            return Reply::Refused { kind: RefusalKind::Invalid, message };
        }
    };
    let stopping = || Reply::Refused {
        kind: RefusalKind::TryLater,
        message: "the agent is stopping; ask again when it runs".to_owned(),
    };
    let (reply, answered) = oneshot::channel();
    if calls.send(Call { request, reply }).await.is_err() {
        return stopping();
    }
    answered.await.unwrap_or_else(|_| stopping())
}
