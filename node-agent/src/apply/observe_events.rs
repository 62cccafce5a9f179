//! What others change: notifications of the kernel, so that it is mended at once.
use super::netlink::PROTOCOL;
use super::nft::NETLINK_NETFILTER;
use futures::StreamExt;
use nix::errno::Errno;
use ringfence_keyring::Plane;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage as Message;
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};
use rtnetlink::packet_route::route::RouteMessage;
use rtnetlink::sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};
use rtnetlink::{MulticastGroup, new_multicast_connection};
use std::io;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// `NFNLGRP_NFTABLES`, linux/netfilter/nfnetlink.h.
const NFTABLES_GROUP: u32 = 7;

/// Something that may concern the mesh changed. What exactly, observing will tell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Changed {
    /// One of our devices.
    Device,
    /// Addresses of this machine.
    Address,
    /// One of our routes.
    Route,
    /// Policy rules.
    Rule,
    /// Packet filter rules of anyone.
    Nftables,
    /// Notifications were lost: look at everything.
    Everything,
}

/// Notifications for the network namespace of the thread that made it. They end with this value.
pub struct Events {
    receiver: mpsc::Receiver<Changed>,
    tasks: JoinSet<()>,
}

impl Events {
    /// Subscribes.
    ///
    /// # Errors
    /// When a socket cannot be made.
    pub fn subscribe() -> io::Result<Self> {
        // More than one of a kind is as good as one, so what does not fit may be dropped.
        let (sender, receiver) = mpsc::channel(64);
        let mut tasks = JoinSet::new();
        let (connection, _, mut messages) = new_multicast_connection(&[
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
            MulticastGroup::Ipv4Route,
            MulticastGroup::Ipv6Route,
            MulticastGroup::Ipv4Rule,
            MulticastGroup::Ipv6Rule,
        ])?;
        tasks.spawn(connection);
        let route = sender.clone();
        tasks.spawn(async move {
            while let Some((message, _)) = messages.next().await {
                let changed = match message.payload {
                    NetlinkPayload::InnerMessage(message) => relevant(&message),
                    NetlinkPayload::Overrun(_) => Some(Changed::Everything),
                    _ => None,
                };
                if let Some(changed) = changed {
                    let _ = route.try_send(changed);
                }
            }
        });
        let mut socket = TokioSocket::new(NETLINK_NETFILTER)?;
        socket.socket_mut().bind(&SocketAddr::new(0, 0))?;
        socket.socket_mut().add_membership(NFTABLES_GROUP)?;
        tasks.spawn(async move {
            let mut buffer = Vec::with_capacity(64 << 10);
            loop {
                buffer.clear();
                match socket.recv(&mut buffer).await {
                    Ok(_) => {}
                    // Lost notifications are notifications too.
                    Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {}
                    Err(error) => {
                        tracing::warn!(%error, "notifications of nftables have ended");
                        return;
                    }
                }
                let _ = sender.try_send(Changed::Nftables);
            }
        });
        Ok(Self { receiver, tasks })
    }

    /// The next one. `None`: some will not be heard of any more.
    pub async fn next(&mut self) -> Option<Changed> {
        tokio::select! {
            // Cancel-safe: what was not returned stays in the channel.
            changed = self.receiver.recv() => changed,
            // Cancel-safe by its documentation. None of them ends unless its socket breaks.
            Some(_) = self.tasks.join_next() => None,
        }
    }
}

fn relevant(message: &Message) -> Option<Changed> {
    match message {
        Message::NewLink(link) | Message::DelLink(link) => is_ours(link).then_some(Changed::Device),
        Message::NewAddress(_) | Message::DelAddress(_) => Some(Changed::Address),
        Message::NewRoute(route) | Message::DelRoute(route) => is_our_route(route).then_some(Changed::Route),
        Message::NewRule(_) | Message::DelRule(_) => Some(Changed::Rule),
        _ => None,
    }
}

fn is_ours(link: &LinkMessage) -> bool {
    link.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::IfName(name) => Plane::ALL.iter().any(|plane| plane.device() == name),
        _ => false,
    })
}

fn is_our_route(route: &RouteMessage) -> bool {
    route.header.protocol == PROTOCOL
}
