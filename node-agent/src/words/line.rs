//! The sockets of one plane: one a family, bound to its device.
use super::PORT;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage, setsockopt, sockopt};
use ringfence_keyring::Plane;
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
};
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// Headers of a UDP packet in front of what it carries.
const fn headers(v4: bool) -> usize {
    if v4 { 20 + 8 } else { 40 + 8 }
}

/// One plane's sockets, as long as its device is the same.
#[derive(Debug)]
pub(super) struct Line {
    plane: Plane,
    ifindex: u32,
    sockets: Vec<Socket>,
}

/// Two handles of one socket: to send is to try once, which needs no runtime.
#[derive(Debug)]
struct Socket {
    from: IpAddr,
    sends: std::net::UdpSocket,
    receives: UdpSocket,
}

impl Line {
    /// Sockets on the plane's device, from each of these addresses; `None` if there is no such device. An address that
    /// cannot be used is left out.
    pub(super) fn open(plane: Plane, from: &[IpAddr]) -> Option<Self> {
        let ifindex = nix::net::if_::if_nametoindex(plane.device()).ok()?;
        let open = |address: &IpAddr| match socket(plane, *address) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%plane, %address, port = PORT, %error, "cannot talk to other agents from here");
                None
            }
        };
        Some(Self { plane, ifindex, sockets: from.iter().filter_map(open).collect() })
    }

    /// Whether it is still good: the same device, a socket for each of these addresses.
    pub(super) fn still(&self, from: &[IpAddr]) -> bool {
        let same = nix::net::if_::if_nametoindex(self.plane.device()).is_ok_and(|now| now == self.ifindex);
        same && self.sockets.iter().map(|socket| &socket.from).eq(from)
    }

    /// Sends to an address, if there is a socket of its family. What is not sent is lost, as any packet may be.
    pub(super) fn send(&self, to: IpAddr, bytes: &[u8]) {
        let of_family = self.sockets.iter().find(|socket| socket.from.is_ipv4() == to.is_ipv4());
        let Some(socket) = of_family else { return };
        if let Err(error) = socket.sends.send_to(bytes, SocketAddr::new(to, PORT)) {
            tracing::debug!(plane = %self.plane, %to, %error, "not sent");
        }
    }

    /// The next packet: how long it is, and where from. Cancel-safe: a packet that is not returned stays.
    pub(super) fn poll(&self, context: &mut Context<'_>, into: &mut [u8]) -> Poll<(usize, SocketAddr)> {
        for socket in &self.sockets {
            loop {
                let mut buffer = ReadBuf::new(into);
                match socket.receives.poll_recv_from(context, &mut buffer) {
                    Poll::Ready(Ok(from)) => return Poll::Ready((buffer.filled().len(), from)),
                    // An error about something that was sent (nobody listens there): it is told once.
                    Poll::Ready(Err(_)) => {}
                    Poll::Pending => break,
                }
            }
        }
        Poll::Pending
    }
}

/// How much a packet of this size (bytes, with its IP header) to an address carries.
pub(super) fn payload(mtu: u32, to: IpAddr) -> usize {
    (mtu as usize).saturating_sub(headers(to.is_ipv4()))
}

/// Bound to the device, and never fragmented: a probe that does not fit is lost.
fn socket(plane: Plane, from: IpAddr) -> io::Result<Socket> {
    let family = if from.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket::socket(family, SockType::Datagram, flags, None)?;
    // Before it is bound: the other plane's has the same address and port.
    setsockopt(&socket, sockopt::BindToDevice, &OsString::from(plane.device()))?;
    if from.is_ipv4() {
        set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::PROBE)?;
    } else {
        set_ipv6_mtu_discover(&socket, Ipv6PathMtuDiscovery::PROBE)?;
    }
    socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(from, PORT)))?;
    let sends = std::net::UdpSocket::from(socket);
    let receives = UdpSocket::from_std(sends.try_clone()?)?;
    Ok(Socket { from, sends, receives })
}
