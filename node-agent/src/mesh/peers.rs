//! Devices and peers of both planes.
use super::input::MeshInput;
use super::members::{Member, Members, Refusal};
use super::net::{Family, host};
use super::spec::{DeviceSpec, PeerSpec};
use crate::watch::Kind;
use ringfence_keyring::{Plane, Publication};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// What IPv6 demands of every link (RFC 8200 §5).
pub(super) const MIN_MTU: u32 = 1280;

/// What WireGuard adds to a packet on an underlay of a family: IP header, UDP's 8, its own 32 (16 of header, 16 of
/// Poly1305 tag).
pub(super) const fn overhead(family: Family) -> u32 {
    match family {
        Family::V4 => 20 + 8 + 32,
        Family::V6 => 40 + 8 + 32,
    }
}

/// Both devices. Members that cannot be reached are moved to `members.refused`; remarks about our own underlay go to
/// `warnings`.
pub(super) fn devices(
    input: &MeshInput<'_>,
    members: &mut Members<'_>,
    transit: &BTreeMap<Family, IpAddr>,
    warnings: &mut BTreeSet<String>,
) -> BTreeMap<Plane, DeviceSpec> {
    let mut reachable = BTreeMap::new();
    for (name, member) in &members.accepted {
        let Some(publication) = member.publication else { continue };
        match endpoint(input, publication) {
            Some(address) => {
                reachable.insert(*name, address);
            }
            None => {
                let reason =
                    "it publishes no address of a family that this node has on its underlay".to_owned();
                let refusal = Refusal { kind: Kind::RingfenceNode, field: "spec.endpoints", reason };
                members.refused.insert((*name).to_owned(), refusal);
            }
        }
    }
    let mtu = mtu(input, reachable.values().copied().map(Family::of).collect(), warnings);
    let device = |plane| {
        let peers = reachable.iter().filter_map(|(name, address)| {
            let member = members.accepted.get(name)?;
            peer(input, plane, member, *address)
        });
        DeviceSpec {
            public_key: *input.keys.public.get(plane),
            listen_port: *input.config.ports.get(plane),
            mtu,
            addresses: transit.get(&Family::V4).copied().map(host).into_iter().collect(),
            peers: peers.collect(),
        }
    };
    Plane::ALL.into_iter().map(|plane| (plane, device(plane))).collect()
}

fn peer(
    input: &MeshInput<'_>,
    plane: Plane,
    member: &Member<'_>,
    address: IpAddr,
) -> Option<(ringfence_keyring::PublicKey, PeerSpec)> {
    let published = member.publication?;
    let pair = input.keys.pair(&member.node.name, Some(published));
    let key = (*pair.keys.get(plane)).filter(|_| input.keys.public.get(plane).is_some())?;
    let idle = pair.route != Some(plane);
    let spec = PeerSpec {
        node: member.node.name.clone(),
        endpoint: SocketAddr::new(address, published.plane(plane).port),
        allowed: member.allowed(),
        keepalive: if idle || input.keys.rotating { input.config.keepalive } else { 0 },
        begins: input.node < member.node.name.as_str(),
    };
    Some((key, spec))
}

/// The peer's first address of a family that we have too.
fn endpoint(input: &MeshInput<'_>, publication: &Publication) -> Option<IpAddr> {
    let ours = |family| input.underlay.addresses.iter().any(|own| Family::of(own.address) == family);
    publication.endpoints().iter().copied().find(|address| ours(Family::of(*address)))
}

/// The largest packet that every family in use carries whole.
fn mtu(input: &MeshInput<'_>, used: BTreeSet<Family>, warnings: &mut BTreeSet<String>) -> u32 {
    let addresses = &input.underlay.addresses;
    let used = if used.is_empty() {
        addresses.first().map(|own| Family::of(own.address)).into_iter().collect()
    } else {
        used
    };
    let within = addresses.iter().filter(|own| used.contains(&Family::of(own.address)));
    let smallest = within
        .map(|own| (own.mtu.saturating_sub(overhead(Family::of(own.address))), *own))
        .min_by_key(|(mtu, _)| *mtu);
    let Some((mtu, own)) = smallest else {
        warnings.insert(
            "this node has no address on the underlay: nothing can be sent to other nodes".to_owned(),
        );
        return MIN_MTU;
    };
    if mtu < MIN_MTU {
        warnings.insert(format!(
            "the underlay of {} has an MTU of {}; below {} the encrypted packets are fragmented",
            own.address,
            own.mtu,
            MIN_MTU + overhead(Family::of(own.address)),
        ));
    }
    mtu.max(MIN_MTU)
}
