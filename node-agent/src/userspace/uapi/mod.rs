//! The configuration protocol of userspace WireGuards, <https://www.wireguard.com/xplatform/>.
//!
//! `get=1` and `set=1` as specified there, with two differences: a private key cannot be removed, and a changed peer
//! keeps its session. Beside them `refused=1` is answered by `refused_packets=NUMBER`, the packets that AllowedIPs
//! refused.

mod change;
mod parse;
mod show;
#[cfg(test)]
mod tests;

use super::refused::Refused;
use super::run::Device;
use nix::errno::Errno;
use parse::{Request, parse};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use zeroize::{Zeroize, Zeroizing};

/// Longer than any request: 10,000 peers with ten AllowedIPs each take about 5 MB.
const MAX_REQUEST: u64 = 16 << 20;
/// One client at a time is served, so one that says nothing must not hold up the others.
const PATIENCE: Duration = Duration::from_secs(2);

/// Answers requests on one connection until it ends.
pub(super) async fn serve(stream: UnixStream, device: &Device, refused: &Refused) {
    let (read, mut write) = stream.into_split();
    let mut reader = BufReader::new(read).take(MAX_REQUEST);
    let mut request = Zeroizing::new(String::new());
    loop {
        let before = request.len();
        match tokio::time::timeout(PATIENCE, reader.read_line(&mut request)).await {
            Ok(Ok(1..)) if request.len() - before > 1 => continue,
            // An empty line ends a request.
            Ok(Ok(1..)) => {}
            _ => return,
        }
        let mut answer = Zeroizing::new(answer(&request, device, refused).await);
        answer.push('\n');
        request.zeroize();
        reader.set_limit(MAX_REQUEST);
        if write.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn answer(request: &str, device: &Device, refused: &Refused) -> String {
    match parse(request) {
        Ok(Request::Get) => show::show(device).await,
        Ok(Request::Set(set)) => {
            let errno = match change::change(device, *set).await {
                Ok(()) => 0,
                Err(errno) => errno as i32,
            };
            format!("errno={errno}\n")
        }
        Ok(Request::Refused) => format!("refused_packets={}\nerrno=0\n", refused.count()),
        Err(error) => {
            tracing::warn!(%error, "bad request");
            format!("errno={}\n", Errno::EINVAL as i32)
        }
    }
}
