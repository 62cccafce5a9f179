//! Sending frames as fast as one core can.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, MultiHeaders, SockFlag, SockType, bind, sendmmsg, socket,
};

use super::frames::Frame;
use super::netns::Netns;

/// How many frames one system call takes.
const BATCH: usize = 64;

/// A packet socket on a device.
pub(crate) struct Flood {
    socket: OwnedFd,
    headers: MultiHeaders<LinkAddr>,
}

impl Flood {
    /// On `device` of `netns`.
    ///
    /// # Errors
    /// When the device is not there.
    pub(crate) fn new(netns: &Netns, device: &str) -> Result<Self> {
        let socket = netns.within(|| {
            let mut found = getifaddrs().context("listing devices")?;
            // Its protocol is 0, so the socket sends and receives nothing.
            let link = found
                .find_map(|a| (a.interface_name == device).then(|| a.address?.as_link_addr().copied())?)
                .with_context(|| format!("no device {device}"))?;
            let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
                .context("making a packet socket")?;
            bind(socket.as_raw_fd(), &link).with_context(|| format!("binding to {device}"))?;
            Ok(socket)
        })?;
        Ok(Self { socket, headers: MultiHeaders::preallocate(BATCH, None) })
    }

    /// Sends every frame once. A veth delivers on the sender's time, so this is how long all of them took to be sent,
    /// forwarded and received.
    ///
    /// # Errors
    /// When one cannot be sent.
    pub(crate) fn send(&mut self, frames: &[Frame]) -> Result<Duration> {
        let slices: Vec<[IoSlice<'_>; 1]> = frames.iter().map(|frame| [IoSlice::new(frame)]).collect();
        let nowhere = [None; BATCH];
        let mut headers = MultiHeaders::preallocate(BATCH, None);
        std::mem::swap(&mut headers, &mut self.headers);
        let began = Instant::now();
        for batch in slices.chunks(BATCH) {
            let sent = sendmmsg(self.socket.as_raw_fd(), &mut headers, batch, nowhere, [], MsgFlags::empty())
                .context("sending")?
                .count();
            if sent != batch.len() {
                bail!("only {sent} of {} frames were sent", batch.len());
            }
        }
        Ok(began.elapsed())
    }
}
