//! Looking at the node: what there is of the mesh, and the underlay it stands on.
use super::address;
use super::link::{self, Link};
use super::mesh_error::MeshApplyError;
use super::wireguard;
use crate::mesh::{UnderlayAddress, UnderlayFacts};
use crate::plan::mesh::{Backend, DeviceKind, ObservedControl, ObservedPeer};
use ringfence_keyring::{Plane, PublicKey};
use rtnetlink::Handle;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// The devices of our names.
pub(super) async fn links(handle: &Handle) -> Result<BTreeMap<Plane, Link>, MeshApplyError> {
    let mut links = BTreeMap::new();
    for plane in Plane::ALL {
        if let Some(link) = link::find(handle, plane.device()).await? {
            links.insert(plane, link);
        }
    }
    Ok(links)
}

/// What WireGuard says of a device; `None` if it is of another kind or does not answer.
pub(super) async fn control(plane: Plane, link: &Link, backend: Backend) -> Option<ObservedControl> {
    let expected = match backend {
        Backend::Kernel => DeviceKind::Kernel,
        Backend::Userspace => DeviceKind::Userspace,
    };
    let name = plane.device();
    if link.kind != expected || (backend == Backend::Userspace && !crate::userspace::responds(name)) {
        return None;
    }
    match wireguard::read(name, backend).await {
        Ok(control) => Some(control),
        Err(error) => {
            tracing::warn!(%error, "the device is made anew");
            None
        }
    }
}

/// Those of `wanted` that a device of this node has, in the same order, with the device's MTU.
pub(super) async fn underlay(handle: &Handle, wanted: &[IpAddr]) -> Result<UnderlayFacts, MeshApplyError> {
    let mtus: HashMap<u32, u32> = link::mtus(handle).await?.into_iter().collect();
    let found: HashMap<IpAddr, u32> = address::list(handle)
        .await?
        .into_iter()
        .filter_map(|(index, addresses)| Some((mtus.get(&index)?, addresses)))
        .flat_map(|(mtu, addresses)| addresses.into_iter().map(|address| (address.ip(), *mtu)))
        .collect();
    let addresses = wanted.iter().filter_map(|address| {
        let mtu = *found.get(address)?;
        Some(UnderlayAddress { address: *address, mtu })
    });
    Ok(UnderlayFacts { addresses: addresses.collect() })
}

/// What this process remembers of peers beyond what WireGuard tells.
#[derive(Debug, Default)]
pub(super) struct Peers {
    seen: HashMap<(Plane, PublicKey), Instant>,
    published: HashMap<(Plane, PublicKey), SocketAddr>,
}

impl Peers {
    /// Completes what was observed, and forgets peers that are gone.
    pub(super) fn complete(&mut self, plane: Plane, peers: &mut BTreeMap<PublicKey, ObservedPeer>) {
        self.seen.retain(|(of, key), _| *of != plane || peers.contains_key(key));
        self.published.retain(|(of, key), _| *of != plane || peers.contains_key(key));
        for (key, peer) in peers {
            let at = (plane, *key);
            peer.known = self.seen.entry(at).or_insert_with(Instant::now).elapsed();
            peer.published = self.published.get(&at).copied();
        }
    }

    /// The peer's publication was taken up.
    pub(super) fn publish(&mut self, plane: Plane, key: PublicKey, endpoint: SocketAddr) {
        self.seen.entry((plane, key)).or_insert_with(Instant::now);
        self.published.insert((plane, key), endpoint);
    }
}
