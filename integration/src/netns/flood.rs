//! A steady stream of UDP packets that are each to come back.
use super::Netns;
use anyhow::{Context, Result, anyhow};
use nix::sys::socket::{setsockopt, sockopt};
use ringfence::lab::patience;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two packets.
const INTERVAL: Duration = Duration::from_millis(2);
/// For the last ones to come back; a late packet is not a lost one.
const STRAGGLERS: Duration = Duration::from_secs(2);
const PORT: u16 = 9999;
/// Bytes of a receive queue: on a busy machine a process may have to wait for its turn, and that is no loss.
const BUFFER: usize = 32 << 20;

/// A running flood.
#[derive(Debug)]
pub struct Flood {
    stop: Arc<AtomicBool>,
    client: JoinHandle<Result<(usize, Vec<u128>)>>,
    server: JoinHandle<Result<()>>,
}

impl Flood {
    /// Begins: a packet every 2 ms from `from` to address `address` of `to`, where an echo is started for it.
    ///
    /// # Errors
    /// If there can be no socket: one echo for each family can run in a namespace.
    pub fn start(from: &Netns, to: &Netns, address: &str) -> Result<Self> {
        let address: IpAddr = address.parse()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (sender, ready) = std::sync::mpsc::channel();
        let server = to.spawn(move || {
            let socket = UdpSocket::bind((address, PORT)).context("echo")?;
            setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
            socket.set_read_timeout(Some(Duration::from_millis(50)))?;
            sender.send(())?;
            let mut buffer = [0; 2048];
            // The client stops first and waits for stragglers.
            let mut quiet = 0;
            while quiet < 4 || !stopped.load(Ordering::Relaxed) {
                match socket.recv_from(&mut buffer) {
                    Ok((length, back)) => {
                        quiet = 0;
                        socket.send_to(&buffer[..length], back)?;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => quiet += 1,
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        })?;
        ready.recv_timeout(Duration::from_secs(5)).context("no echo")?;
        let stopped = Arc::clone(&stop);
        let client = from.spawn(move || client(SocketAddr::new(address, PORT), &stopped))?;
        Ok(Self { stop, client, server })
    }

    /// Ends it: the number of packets sent, and for each that did not come back when it was sent, in ms from the
    /// beginning.
    ///
    /// # Errors
    /// Those of sockets.
    pub fn finish(self) -> Result<(usize, Vec<u128>)> {
        self.stop.store(true, Ordering::Relaxed);
        let result = self.client.join().map_err(|_| anyhow!("the client panicked"))??;
        self.server.join().map_err(|_| anyhow!("the echo panicked"))??;
        Ok(result)
    }
}

fn client(to: SocketAddr, stop: &AtomicBool) -> Result<(usize, Vec<u128>)> {
    let any =
        if to.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((any, 0))?;
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
    socket.connect(to)?;
    socket.set_nonblocking(true)?;
    let started = Instant::now();
    let mut sent: Vec<(Duration, bool)> = Vec::new();
    let mut ended = None;
    loop {
        let mut answer = [0; 8];
        while let Ok(8) = socket.recv(&mut answer) {
            let number = usize::try_from(u64::from_be_bytes(answer))?;
            if let Some((_, back)) = sent.get_mut(number) {
                *back = true;
            }
        }
        let all = sent.iter().all(|(_, back)| *back);
        let end = *ended.get_or_insert_with(Instant::now);
        if !stop.load(Ordering::Relaxed) {
            ended = None;
            // An error is a packet that will not come back.
            let _ = socket.send(&u64::try_from(sent.len())?.to_be_bytes());
            sent.push((started.elapsed(), false));
        } else if all || end.elapsed() > patience(STRAGGLERS) {
            break;
        }
        std::thread::sleep(INTERVAL);
    }
    let lost = sent.iter().filter(|(_, back)| !back).map(|(at, _)| at.as_millis());
    Ok((sent.len(), lost.collect()))
}
