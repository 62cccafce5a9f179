//! Sockets inside a pod: opened by threads of the test that have entered its network namespace.
use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A pod that was attached.
pub struct Pod {
    /// Its namespace in Kubernetes.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its addresses as IPAM gave them, IPv4 first.
    pub addresses: Vec<IpAddr>,
    /// How long our plugin took, process start included.
    pub attached_in: Duration,
    pub(super) container: String,
    pub(super) netns: PathBuf,
    pub(super) result: serde_json::Value,
}

/// Runs `work` on a thread of its own inside a network namespace. Sockets it returns stay in there.
pub fn in_netns<T: Send + 'static>(
    netns: &Path,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let file = File::open(netns).with_context(|| netns.display().to_string())?;
    let thread = std::thread::spawn(move || {
        setns(file, CloneFlags::CLONE_NEWNET)?;
        work()
    });
    thread.join().map_err(|_| anyhow!("a thread inside the pod panicked"))?
}

impl Pod {
    /// Runs `work` inside the pod.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        in_netns(&self.netns, work)
    }

    /// Path of its network namespace.
    pub fn netns(&self) -> PathBuf {
        self.netns.clone()
    }

    /// Its address of a family.
    pub fn address(&self, v6: bool) -> Result<IpAddr> {
        self.addresses.iter().copied().find(|a| a.is_ipv6() == v6).context("no address of that family")
    }

    /// Answers TCP connections on `port` by echoing, for as long as the test runs.
    pub fn serve_tcp(&self, port: u16) -> Result<()> {
        self.run(move || {
            let listener = TcpListener::bind(("::", port))?;
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    std::thread::spawn(move || echo(stream));
                }
            });
            Ok(())
        })
    }

    /// Answers datagrams on `port` by sending them back.
    pub fn serve_udp(&self, port: u16) -> Result<()> {
        self.run(move || {
            let socket = UdpSocket::bind(("::", port))?;
            std::thread::spawn(move || {
                let mut buffer = [0; 2048];
                while let Ok((n, from)) = socket.recv_from(&mut buffer) {
                    // A peer that is gone is no reason to stop.
                    let _ = socket.send_to(&buffer[..n], from);
                }
            });
            Ok(())
        })
    }

    /// Connects from inside the pod.
    pub fn connect(&self, to: SocketAddr, timeout: Duration) -> Result<TcpStream> {
        self.run(move || {
            let stream = TcpStream::connect_timeout(&to, timeout)?;
            stream.set_read_timeout(Some(timeout))?;
            stream.set_write_timeout(Some(timeout))?;
            Ok(stream)
        })
    }

    /// A UDP socket inside the pod, connected.
    pub fn udp(&self, to: SocketAddr, timeout: Duration) -> Result<UdpSocket> {
        self.run(move || {
            let socket = UdpSocket::bind(if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" })?;
            socket.connect(to)?;
            socket.set_read_timeout(Some(timeout))?;
            Ok(socket)
        })
    }
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(n) = stream.read(&mut buffer) {
        if n == 0 || stream.write_all(&buffer[..n]).is_err() {
            return;
        }
    }
}
