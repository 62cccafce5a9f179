//! Raw SCTP sockets.
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, socket};
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::UdpSocket;

/// A raw socket that sends and receives SCTP packets of one address family, without their IP headers.
#[derive(Debug)]
pub(super) struct SctpSocket {
    // Of the operations of a datagram socket all that are used here are a raw socket's too.
    socket: UdpSocket,
    ipv4: bool,
}

impl SctpSocket {
    /// A socket for packets from and to `local`, which may be unspecified.
    ///
    /// # Errors
    /// If the system refuses: it takes CAP_NET_RAW, and the address must be here. Must be called on a tokio runtime.
    pub(super) fn new(local: IpAddr) -> io::Result<Self> {
        let family = if local.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(family, SockType::Raw, flags, SockProtocol::Sctp)?;
        use std::os::fd::AsRawFd;
        bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(local, 0)))?;
        let socket = UdpSocket::from_std(std::net::UdpSocket::from(fd))?;
        Ok(Self { socket, ipv4: local.is_ipv4() })
    }

    /// Sends a packet.
    ///
    /// # Errors
    /// If there is no way there.
    pub(super) async fn send(&self, packet: &[u8], to: IpAddr) -> io::Result<()> {
        // Raw IPv6 sockets refuse a destination with a port.
        self.socket.send_to(packet, SocketAddr::new(to, 0)).await.map(drop)
    }

    /// Receives a packet: its bytes from SCTP's header on, and who sent it. Cancel-safe, as `UdpSocket::recv_from` is.
    ///
    /// # Errors
    /// If the socket is broken.
    pub(super) async fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<(&'a [u8], IpAddr)> {
        let (length, from) = self.socket.recv_from(buffer).await?;
        let packet = &buffer[..length];
        // Only IPv4's raw sockets hand over the IP header (raw(7)); its length is in units of 4 bytes.
        let header = if self.ipv4 { usize::from(packet.first().copied().unwrap_or(0) & 0x0f) * 4 } else { 0 };
        Ok((packet.get(header..).unwrap_or_default(), from.ip()))
    }
}

/// A number that nobody can foresee, not 0.
pub(super) fn random() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library seeds each of these from the kernel.
    let number = std::collections::hash_map::RandomState::new().build_hasher().finish();
    (number as u32).max(1)
}
