//! TCP.
use super::{pushing, wants_push};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How long a caller may say nothing until it is told the name all the same.
const PATIENCE: Duration = Duration::from_millis(200);

/// Listens on every address of both families.
pub(super) async fn listen(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await {
        // A kernel without IPv6.
        Err(e) if e.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32) => {
            TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await
        }
        other => other,
    }
}

pub(super) async fn serve(listener: TcpListener, name: String) -> io::Result<()> {
    loop {
        // A caller that is gone before it is accepted is its own loss, as is one that breaks off.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let name = name.clone();
        tokio::spawn(async move { converse(stream, &name).await });
    }
}

async fn converse(mut stream: TcpStream, name: &str) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 16_384];
    // Cancel-safe: nothing was read if the time is up first.
    let Ok(first) = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await else {
        stream.write_all(format!("{name}\n").as_bytes()).await?;
        return lines(stream, name, buffer, 0).await;
    };
    let first = first?;
    if is_http(&buffer[..first]) {
        let length = name.len() + 1;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        stream.write_all(format!("{head}{name}\n").as_bytes()).await?;
        return stream.shutdown().await;
    }
    lines(stream, name, buffer, first).await
}

/// Answers `filled` bytes already read, then whatever comes, until the caller has no more to say.
async fn lines(mut stream: TcpStream, name: &str, mut buffer: Vec<u8>, filled: usize) -> io::Result<()> {
    let mut rest = buffer[..filled].to_vec();
    loop {
        let mut answer = Vec::new();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if let Some(interval) = line.strip_suffix(b"\n").and_then(wants_push) {
                return push(stream, name, interval).await;
            }
            answer.extend([name.as_bytes(), b" ", &line].concat());
        }
        stream.write_all(&answer).await?;
        match stream.read(&mut buffer).await? {
            0 => break,
            length => rest.extend_from_slice(&buffer[..length]),
        }
    }
    if rest.is_empty() {
        return Ok(());
    }
    stream.write_all(&[name.as_bytes(), b" ", &rest, b"\n"].concat()).await
}

/// Numbered lines to a caller who asked to be talked to, until they cannot be sent.
async fn push(mut stream: TcpStream, name: &str, interval: Duration) -> io::Result<()> {
    let (mut ticks, until) = pushing(interval);
    for n in 1.. {
        if ticks.tick().await > until {
            break;
        }
        stream.write_all(format!("{name} {n}\n").as_bytes()).await?;
    }
    Ok(())
}

fn is_http(request: &[u8]) -> bool {
    let line = request.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.windows(6).any(|w| w == b" HTTP/")
}
