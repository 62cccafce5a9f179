//! The two ends of a stream, run inside pods.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

const CHUNK: usize = 128 * 1024;

/// Takes streams one after the other, and tells each at its end how many bytes it had. Never returns but by an error.
///
/// # Errors
/// When it cannot listen.
pub(crate) fn sink(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", port)).context("listening")?;
    println!("listening");
    let mut chunk = vec![0; CHUNK];
    loop {
        let (mut stream, _) = listener.accept().context("accepting")?;
        let mut total = 0u64;
        // One that breaks off is its sender's to report.
        while let Ok(length @ 1..) = stream.read(&mut chunk) {
            total += length as u64;
        }
        let _ = stream.write_all(&total.to_be_bytes());
    }
}

/// Sends for so many seconds; prints bits per second as the other end counted them.
///
/// # Errors
/// When the stream breaks.
pub(crate) fn blast(to: SocketAddr, seconds: u64) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(5)).context("connecting")?;
    let chunk = vec![0x5a; CHUNK];
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(seconds) {
        stream.write_all(&chunk).context("sending")?;
    }
    stream.shutdown(Shutdown::Write).context("ending the stream")?;
    let mut total = [0; 8];
    stream.read_exact(&mut total).context("waiting for the other end's count")?;
    println!("{:.0}", u64::from_be_bytes(total) as f64 * 8.0 / began.elapsed().as_secs_f64());
    Ok(())
}
