//! `set=1`: changes that leave everything else as it is, sessions above all.
use super::super::run::Device;
use super::parse::{Set, SetPeer};
use gotatun::device::configure::DeviceWrite;
use gotatun::device::{DefaultDeviceTransports, Peer};
use gotatun::x25519::{PublicKey, StaticSecret};
use ipnetwork::IpNetwork;
use nix::errno::Errno;
use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

type Write<'a> = DeviceWrite<'a, DefaultDeviceTransports>;

/// Carries the change out under one lock, so no packet sees half of it.
///
/// # Errors
/// `EINVAL` for what cannot be (peers before there is a private key; the library would panic). `EADDRINUSE` if somebody else
/// has the port: nothing is changed then. Should it be taken in the instant before the library opens it, the library would
/// neither send nor try again, so it gets any port until the right one is asked for again.
pub(super) async fn change(device: &Device, set: Set) -> Result<(), Errno> {
    if set.private_key.as_ref().is_some_and(|key| **key == [0; 32]) {
        return Err(Errno::EINVAL);
    }
    let (has_key, port) =
        device.read(async |device| (device.private_key().is_some(), device.listen_port())).await;
    if !has_key && set.private_key.is_none() {
        return Err(Errno::EINVAL);
    }
    if set.listen_port.is_some_and(|wanted| wanted != port && is_taken(wanted)) {
        return Err(Errno::EADDRINUSE);
    }
    let Err(error) = device.write(async |device| carry_out(device, set).await).await else { return Ok(()) };
    tracing::error!(%error, "cannot open the port");
    if let Err(error) = device.set_listen_port(0).await {
        tracing::error!(%error, "cannot open any port");
    }
    Err(Errno::EADDRINUSE)
}

/// Whether somebody else has the port in either family. A library that fails to open it sometimes gives its device up.
fn is_taken(port: u16) -> bool {
    let unspecified = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    unspecified.into_iter().any(|address| {
        UdpSocket::bind((address, port)).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
    })
}

async fn carry_out(device: &mut Write<'_>, set: Set) {
    if set.replace_peers {
        device.clear_peers();
    }
    if let Some(key) = set.private_key {
        device.set_private_key(StaticSecret::from(*key)).await;
    }
    if let Some(port) = set.listen_port {
        device.set_listen_port(port);
    }
    if let Some(mark) = set.fwmark
        && let Err(error) = device.set_fwmark(mark)
    {
        tracing::warn!(%error, "cannot mark packets");
    }
    let mut networks = Networks::of(device).await;
    for peer in set.peers {
        change_peer(device, &mut networks, peer).await;
    }
}

async fn change_peer(device: &mut Write<'_>, networks: &mut Networks, change: SetPeer) {
    let key = PublicKey::from(change.public_key);
    let known = networks.of_peer.contains_key(&change.public_key);
    if change.remove {
        device.remove_peer(&key).await;
        networks.forget(change.public_key);
        return;
    }
    if change.update_only && !known {
        return;
    }
    if change.replace_allowed_ips {
        networks.clear(change.public_key);
    }
    // The library would let both keep a network that moves, and give it back at the former one's next change.
    for loser in networks.give(change.public_key, &change.allowed) {
        let left = networks.of_peer[&loser].clone();
        device
            .modify_peer(&PublicKey::from(loser), |peer| {
                peer.clear_allowed_ips();
                peer.add_allowed_ips(left);
            })
            .await;
    }
    let preshared = change.preshared_key.map(|key| (*key != [0; 32]).then_some(*key));
    if known {
        let (clear, all) = (change.replace_allowed_ips, networks.of_peer[&change.public_key].clone());
        device
            .modify_peer(&key, |peer| {
                if clear {
                    peer.clear_allowed_ips();
                }
                peer.add_allowed_ips(all);
                if let Some(endpoint) = change.endpoint {
                    peer.set_endpoint(Some(endpoint));
                }
                if let Some(seconds) = change.keepalive {
                    peer.set_keepalive((seconds != 0).then_some(seconds));
                }
                if let Some(preshared) = preshared {
                    peer.set_preshared_key(preshared);
                }
            })
            .await;
    } else {
        let mut peer = Peer::new(key).with_allowed_ips(change.allowed);
        peer.endpoint = change.endpoint;
        peer.keepalive = change.keepalive.filter(|seconds| *seconds != 0);
        peer.preshared_key = preshared.flatten();
        device.add_peer(peer);
    }
}

/// Which peer has which networks.
#[derive(Default)]
struct Networks {
    of_peer: HashMap<[u8; 32], HashSet<IpNetwork>>,
    owner: HashMap<IpNetwork, [u8; 32]>,
}

impl Networks {
    async fn of(device: &Write<'_>) -> Self {
        let mut networks = Self::default();
        for peer in device.peers().await {
            let key = peer.peer.public_key.to_bytes();
            networks.owner.extend(peer.peer.allowed_ips.iter().map(|network| (*network, key)));
            networks.of_peer.insert(key, peer.peer.allowed_ips.into_iter().collect());
        }
        networks
    }

    fn clear(&mut self, key: [u8; 32]) {
        for network in self.of_peer.get_mut(&key).map(std::mem::take).unwrap_or_default() {
            self.owner.remove(&network);
        }
    }

    fn forget(&mut self, key: [u8; 32]) {
        self.clear(key);
        self.of_peer.remove(&key);
    }

    /// Gives `key` these networks and returns who lost any.
    fn give(&mut self, key: [u8; 32], networks: &[IpNetwork]) -> HashSet<[u8; 32]> {
        let mut losers = HashSet::new();
        for network in networks {
            if let Some(loser) = self.owner.insert(*network, key).filter(|owner| *owner != key) {
                self.of_peer.entry(loser).or_default().remove(network);
                losers.insert(loser);
            }
            self.of_peer.entry(key).or_default().insert(*network);
        }
        self.of_peer.entry(key).or_default();
        losers
    }
}
