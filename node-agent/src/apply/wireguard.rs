//! WireGuard devices by wireguard-control, the kernel's and the userspace ones alike.
//!
//! Its key type prints itself and is never wiped, so it is made here, as late as can be, and goes no further.
use super::mesh_error::MeshApplyError;
use crate::plan::mesh::{Backend, ObservedControl, ObservedPeer, PeerChange};
use ipnetwork::IpNetwork;
use ringfence_keyring::{PrivateKey, PublicKey};
use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, SystemTime};
use wireguard_control::{AllowedIp, Device, DeviceUpdate, InterfaceName, Key, PeerConfigBuilder, PeerInfo};
use zeroize::Zeroizing;

/// A socket of a process that hangs must not hold up everything else.
const PATIENCE: Duration = Duration::from_secs(3);

/// The state of a device.
pub(super) async fn read(name: &str, backend: Backend) -> Result<ObservedControl, MeshApplyError> {
    let device =
        blocking(name, "read WireGuard's state of", move |name| Device::get(name, of(backend))).await?;
    let mut control = ObservedControl {
        public_key: device.public_key.as_ref().and_then(|key| PublicKey::from_bytes(key.0).ok()),
        listen_port: device.listen_port.unwrap_or(0),
        ..ObservedControl::default()
    };
    for peer in &device.peers {
        match PublicKey::from_bytes(peer.config.public_key.0) {
            // A peer with many AllowedIPs comes in several messages, and so here several times.
            Ok(key) => merge(control.peers.entry(key).or_default(), peer),
            Err(_) => {
                control.impossible.insert(peer.config.public_key.0);
            }
        }
    }
    Ok(control)
}

fn merge(into: &mut ObservedPeer, peer: &PeerInfo) {
    let networks = peer.config.allowed_ips.iter();
    into.allowed.extend(networks.filter_map(|allowed| IpNetwork::new(allowed.address, allowed.cidr).ok()));
    into.endpoint = into.endpoint.or(peer.config.endpoint);
    into.keepalive = into.keepalive.max(peer.config.persistent_keepalive_interval.unwrap_or(0));
    into.preshared |= peer.config.preshared_key.as_ref().is_some_and(|key| key.0 != [0; 32]);
    let age = |at: SystemTime| SystemTime::now().duration_since(at).unwrap_or_default();
    into.handshake = into.handshake.or(peer.stats.last_handshake_time.map(age));
    into.rx_bytes = into.rx_bytes.max(peer.stats.rx_bytes);
    into.tx_bytes = into.tx_bytes.max(peer.stats.tx_bytes);
}

/// Gives the device its private key and its UDP port (host order).
pub(super) async fn set_key(
    name: &str,
    backend: Backend,
    key: &PrivateKey,
    listen_port: u16,
) -> Result<(), MeshApplyError> {
    const OPERATION: &str = "set the key of";
    check(name, backend, OPERATION)?;
    // From heap to heap: what lies on the stack of some worker would stay there.
    let secret = Zeroizing::new(key.expose_bytes().to_vec());
    let done = blocking(name, OPERATION, move |name| {
        let done = set_secret(name, backend, &secret, listen_port);
        wipe_stack();
        done
    });
    done.await
}

/// In a frame of its own, of which nothing is left when the stack behind it is wiped.
#[inline(never)]
fn set_secret(name: &InterfaceName, backend: Backend, secret: &[u8], listen_port: u16) -> io::Result<()> {
    let secret = secret.try_into().map_err(io::Error::other)?;
    DeviceUpdate::new().set_private_key(Key(secret)).set_listen_port(listen_port).apply(name, of(backend))
}

/// Overwrites what functions that have returned left on this thread's stack.
#[inline(never)]
fn wipe_stack() {
    let mut frame = [0_u8; 64 << 10];
    std::hint::black_box(&mut frame);
}

/// Replaces the device's private key by one that is known to nobody once this returns: an embedded WireGuard cannot be
/// without. Returns its public half.
pub(super) async fn clear_key(name: &str, backend: Backend) -> Result<PublicKey, MeshApplyError> {
    const OPERATION: &str = "take the key from";
    let nobody = PrivateKey::generate()
        .map_err(|error| MeshApplyError::io(OPERATION, name)(io::Error::other(error)))?;
    let update = DeviceUpdate::new().set_private_key(Key(*nobody.expose_bytes()));
    apply(name, backend, update, OPERATION).await?;
    Ok(nobody.public())
}

/// Carries out changes of peers in their order.
pub(super) async fn change_peers(
    name: &str,
    backend: Backend,
    changes: &[PeerChange],
) -> Result<(), MeshApplyError> {
    let peers: Vec<_> = changes.iter().filter_map(peer).collect();
    if !peers.is_empty() {
        apply(name, backend, DeviceUpdate::new().add_peers(&peers), "change the peers of").await?;
    }
    let dropped: BTreeSet<IpNetwork> = changes
        .iter()
        .flat_map(|change| match change {
            PeerChange::Drop { networks, .. } => networks.clone(),
            _ => BTreeSet::new(),
        })
        .collect();
    if dropped.is_empty() { Ok(()) } else { drop_networks(name, backend, dropped).await }
}

/// WireGuard can give a network to another peer in one step, but takes it from a peer only by replacing all of its
/// networks, and in between that peer has none. So the networks go to a peer that nobody can be, and go with it.
async fn drop_networks(
    name: &str,
    backend: Backend,
    networks: BTreeSet<IpNetwork>,
) -> Result<(), MeshApplyError> {
    let nobody = PrivateKey::generate()
        .map_err(|error| MeshApplyError::io("make a key for", name)(io::Error::other(error)))?;
    let nobody = Key(*nobody.public().as_bytes());
    let takes = networks.iter().fold(PeerConfigBuilder::new(&nobody), with_network);
    apply(name, backend, DeviceUpdate::new().add_peer(takes), "take networks from peers of").await?;
    let goes = PeerConfigBuilder::new(&nobody).remove();
    apply(name, backend, DeviceUpdate::new().add_peer(goes), "take networks from peers of").await
}

fn with_network(peer: PeerConfigBuilder, network: &IpNetwork) -> PeerConfigBuilder {
    peer.add_allowed_ips(&[AllowedIp { address: network.network(), cidr: network.prefix() }])
}

fn peer(change: &PeerChange) -> Option<PeerConfigBuilder> {
    Some(match change {
        PeerChange::Set { key, endpoint, keepalive, add, clear_preshared } => {
            let mut peer = PeerConfigBuilder::new(&Key(*key.as_bytes()));
            peer = add.iter().fold(peer, with_network);
            if let Some(endpoint) = endpoint {
                peer = peer.set_endpoint(*endpoint);
            }
            if let Some(seconds) = keepalive {
                peer = peer.set_persistent_keepalive_interval(*seconds);
            }
            if *clear_preshared {
                peer = peer.unset_preshared_key();
            }
            peer
        }
        PeerChange::Drop { .. } => return None,
        PeerChange::Remove(key) => PeerConfigBuilder::new(&Key(*key.as_bytes())).remove(),
        PeerChange::RemoveImpossible(key) => PeerConfigBuilder::new(&Key(*key)).remove(),
    })
}

async fn apply(
    name: &str,
    backend: Backend,
    update: DeviceUpdate,
    operation: &'static str,
) -> Result<(), MeshApplyError> {
    check(name, backend, operation)?;
    blocking(name, operation, move |name| update.apply(name, of(backend))).await
}

/// Without a socket the library would start whatever is called wireguard-go.
fn check(name: &str, backend: Backend, operation: &'static str) -> Result<(), MeshApplyError> {
    if backend == Backend::Userspace && !crate::userspace::responds(name) {
        let gone = io::Error::from(io::ErrorKind::ConnectionRefused);
        return Err(MeshApplyError::io(operation, name)(gone));
    }
    Ok(())
}

fn of(backend: Backend) -> wireguard_control::Backend {
    match backend {
        Backend::Kernel => wireguard_control::Backend::Kernel,
        Backend::Userspace => wireguard_control::Backend::Userspace,
    }
}

async fn blocking<T: Send + 'static>(
    name: &str,
    operation: &'static str,
    work: impl FnOnce(&InterfaceName) -> io::Result<T> + Send + 'static,
) -> Result<T, MeshApplyError> {
    let interface: InterfaceName =
        name.parse().map_err(|error| MeshApplyError::io(operation, name)(io::Error::other(error)))?;
    let work = tokio::task::spawn_blocking(move || work(&interface));
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(result)) => result.map_err(MeshApplyError::io(operation, name)),
        Ok(Err(panicked)) => Err(MeshApplyError::io(operation, name)(io::Error::other(panicked))),
        Err(_) => Err(MeshApplyError::Silent { device: name.to_owned(), seconds: PATIENCE.as_secs() }),
    }
}
