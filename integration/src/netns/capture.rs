//! What crosses the devices of a namespace, by a packet socket.
use super::Netns;
use anyhow::{Context, Result, anyhow};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, recv, setsockopt, socket, sockopt};
use nix::sys::time::TimeVal;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

/// A frame as it was seen: Ethernet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame(pub Vec<u8>);

/// A running capture of every device of a namespace, both directions.
#[derive(Debug)]
pub struct Capture {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Frame>>>,
}

impl Capture {
    /// Begins; when this returns, packets are being captured.
    ///
    /// # Errors
    /// Without a packet socket.
    pub fn start(namespace: &Netns) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (ready, is_ready) = mpsc::channel();
        let stopped = Arc::clone(&stop);
        let thread = namespace.spawn(move || {
            let socket =
                socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)
                    .context("packet socket")?;
            setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(0, 50_000))?;
            setsockopt(&socket, sockopt::RcvBufForce, &(64 << 20))?;
            ready.send(())?;
            let mut frames = Vec::new();
            let mut buffer = vec![0; 65536];
            loop {
                let flags = nix::sys::socket::MsgFlags::empty();
                match recv(socket.as_raw_fd(), &mut buffer, flags) {
                    Ok(length) => frames.push(Frame(buffer[..length].to_vec())),
                    // Only once nothing is waiting any more.
                    Err(nix::Error::EAGAIN) if stopped.load(Ordering::Relaxed) => return Ok(frames),
                    Err(nix::Error::EAGAIN | nix::Error::EINTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        })?;
        is_ready.recv_timeout(Duration::from_secs(5)).context("the capture did not begin")?;
        Ok(Self { stop, thread })
    }

    /// Ends and returns what was seen.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn finish(self) -> Result<Vec<Frame>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the capture panicked"))?
    }
}

impl Frame {
    fn bytes<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..)?.first_chunk().copied()
    }

    /// EtherType.
    #[must_use]
    pub fn ether_type(&self) -> u16 {
        self.bytes(12).map_or(0, u16::from_be_bytes)
    }

    /// IP protocol or next header (extension headers are not walked), if it is IP.
    #[must_use]
    pub fn protocol(&self) -> Option<u8> {
        match self.ether_type() {
            0x0800 => self.0.get(23).copied(),
            0x86dd => self.0.get(20).copied(),
            _ => None,
        }
    }

    /// UDP's destination port, if it is UDP and no later fragment.
    #[must_use]
    pub fn udp_port(&self) -> Option<u16> {
        let header = match (self.ether_type(), self.protocol()?) {
            (0x0800, 17) => 14 + usize::from(self.0.get(14)? & 0x0f) * 4,
            (0x86dd, 17) => 54,
            _ => return None,
        };
        self.bytes(header + 2).map(u16::from_be_bytes)
    }

    /// Whether a node says that nobody listens on one of WireGuard's ports: its device was deleted. That quotes ciphertext.
    fn is_deaf(&self) -> bool {
        let port = match (self.ether_type(), self.protocol()) {
            // RFC 792: type 3, code 3, and after 8 bytes what it is about; neither header has options.
            (0x0800, Some(1)) if self.bytes(34) == Some([3, 3]) => {
                let quotes_udp = self.0.get(14) == Some(&0x45) && self.0.get(42) == Some(&0x45);
                (quotes_udp && self.0.get(51) == Some(&17)).then(|| self.bytes(64)).flatten()
            }
            // RFC 4443: type 1, code 4.
            (0x86dd, Some(58)) if self.bytes(54) == Some([1, 4]) => {
                (self.0.get(68) == Some(&17)).then(|| self.bytes(104)).flatten()
            }
            _ => None,
        };
        port.map(u16::from_be_bytes).is_some_and(|port| [51871, 51872].contains(&port))
    }

    /// What it is, if it may cross between nodes: WireGuard's UDP, or that there is none; ARP, neighbour discovery and
    /// multicast membership.
    #[must_use]
    pub fn innocent(&self) -> Option<&'static str> {
        match self.ether_type() {
            _ if self.is_deaf() => Some("no WireGuard"),
            0x0806 => Some("ARP"),
            0x86dd if self.protocol() == Some(58) => match self.0.get(54)? {
                133..=137 => Some("neighbour discovery"),
                _ => None,
            },
            // MLD comes behind a hop-by-hop header.
            0x86dd if self.protocol() == Some(0) && self.0.get(54) == Some(&58) => {
                matches!(self.0.get(62)?, 130..=132 | 143).then_some("MLD")
            }
            0x0800 if self.protocol() == Some(2) => Some("IGMP"),
            _ => match self.udp_port()? {
                51871 | 51872 => Some("WireGuard"),
                _ => None,
            },
        }
    }

    /// One line about it for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let hex: Vec<String> = self.0.iter().take(80).map(|byte| format!("{byte:02x}")).collect();
        format!("type {:04x} protocol {:?}: {}", self.ether_type(), self.protocol(), hex.concat())
    }
}
