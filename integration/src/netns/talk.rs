//! Servers and clients inside namespaces: who is seen to be asking, and streams that must not break.
use super::Netns;
use anyhow::{Context, Result, anyhow};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use ringfence::lab::patience;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes that are written at once.
const BLOCK: usize = 8192;

/// A TCP server that first tells every client the address it sees it at, then echoes. Ends when dropped.
#[derive(Debug)]
pub struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Server {
    /// Listens on every address of the namespace.
    ///
    /// # Errors
    /// If the port is taken.
    pub fn start(namespace: &Netns, port: u16) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (sender, ready) = std::sync::mpsc::channel();
        let thread = namespace.spawn(move || {
            let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))?;
            listener.set_nonblocking(true)?;
            sender.send(())?;
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, from)) => drop(std::thread::spawn(move || answer(stream, from))),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        })?;
        ready.recv().map_err(|_| anyhow!("no server on port {port}"))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn answer(mut stream: TcpStream, from: SocketAddr) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    writeln!(stream, "{}", from.ip().to_canonical())?;
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            length => stream.write_all(&buffer[..length])?,
        }
    }
}

/// Connects from inside `namespace`, from address `source` if one is given.
///
/// # Errors
/// Refused, or no answer within two seconds.
fn dial(to: SocketAddr, source: Option<IpAddr>) -> Result<TcpStream> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // Also limits connect(2).
    let seconds = TimeVal::new(i64::try_from(patience(PATIENCE).as_secs())?, 0);
    setsockopt(&socket, sockopt::SendTimeout, &seconds)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &seconds)?;
    if let Some(source) = source {
        setsockopt(&socket, sockopt::IpFreebind, &true)?;
        bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &SockaddrStorage::from(SocketAddr::new(source, 0)))?;
    }
    connect(std::os::fd::AsRawFd::as_raw_fd(&socket), &SockaddrStorage::from(to))?;
    Ok(TcpStream::from(socket))
}

/// The address that a [`Server`] sees a client inside `namespace` at.
///
/// # Errors
/// If it is not reached within two seconds.
pub fn seen_as(namespace: &Netns, to: &str, port: u16, source: Option<&str>) -> Result<IpAddr> {
    let to = SocketAddr::new(to.parse()?, port);
    let source = source.map(str::parse).transpose()?;
    namespace.enter(move || {
        let mut stream = dial(to, source).with_context(|| format!("to {to}"))?;
        let mut text = Vec::new();
        let mut byte = [0];
        while stream.read(&mut byte)? == 1 && byte != *b"\n" {
            text.push(byte[0]);
        }
        Ok(String::from_utf8(text)?.parse()?)
    })
}

/// A connection that keeps sending and reading the echo, with many segments under way in both directions.
#[derive(Debug)]
pub struct Stream {
    stop: Arc<AtomicBool>,
    echoes: Arc<AtomicU64>,
    thread: JoinHandle<Result<()>>,
}

impl Stream {
    /// Connects to a [`Server`] and begins.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn start(namespace: &Netns, to: &str, port: u16) -> Result<Self> {
        let to = SocketAddr::new(to.parse()?, port);
        let (stop, echoes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&echoes));
        let thread = namespace.spawn(move || {
            let mut stream = dial(to, None)?;
            stream.set_nodelay(true)?;
            let mut byte = [0];
            while stream.read(&mut byte)? == 1 && byte != *b"\n" {}
            let mut back = stream.try_clone()?;
            let writer = std::thread::spawn(move || -> std::io::Result<()> {
                while !stopped.load(Ordering::Relaxed) {
                    stream.write_all(&[0x55; BLOCK])?;
                    std::thread::sleep(Duration::from_millis(1));
                }
                stream.shutdown(std::net::Shutdown::Write)
            });
            let mut buffer = vec![0; BLOCK];
            loop {
                match back.read(&mut buffer).context("waiting for the echo")? {
                    0 => break,
                    length => count.fetch_add(u64::try_from(length)?, Ordering::Relaxed),
                };
            }
            let writer = writer.join().map_err(|_| anyhow!("the writer panicked"))?;
            writer.context("the other end closed the connection")
        })?;
        Ok(Self { stop, echoes, thread })
    }

    /// Bytes that have come back so far.
    #[must_use]
    pub fn echoes(&self) -> u64 {
        self.echoes.load(Ordering::Relaxed)
    }

    /// Whether it broke.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it.
    ///
    /// # Errors
    /// How it broke, if it did: reset, closed, or no echo for two seconds.
    pub fn finish(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the stream panicked"))??;
        Ok(self.echoes.load(Ordering::Relaxed))
    }
}
