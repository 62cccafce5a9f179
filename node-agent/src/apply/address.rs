//! Addresses of devices by rtnetlink.
use super::mesh_error::MeshApplyError;
use super::netlink::errno;
use futures::TryStreamExt;
use ipnetwork::IpNetwork;
use nix::errno::Errno;
use rtnetlink::Handle;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// By device index: every address with its prefix, without link-local ones.
pub(super) async fn list(handle: &Handle) -> Result<BTreeMap<u32, BTreeSet<IpNetwork>>, MeshApplyError> {
    let messages: Vec<AddressMessage> = handle
        .address()
        .get()
        .execute()
        .try_collect()
        .await
        .map_err(MeshApplyError::netlink("list", "addresses"))?;
    let mut all: BTreeMap<u32, BTreeSet<IpNetwork>> = BTreeMap::new();
    for message in &messages {
        if let Some(address) = own(message) {
            all.entry(message.header.index).or_default().insert(address);
        }
    }
    Ok(all)
}

/// Adds an address to the device; one that is there already is no error.
pub(super) async fn add(
    handle: &Handle,
    name: &str,
    index: u32,
    address: IpNetwork,
) -> Result<(), MeshApplyError> {
    match handle.address().add(index, address.ip(), address.prefix()).execute().await {
        Err(error) if errno(&error) != Some(Errno::EEXIST as i32) => {
            Err(MeshApplyError::netlink("add", format!("{address} to {name}"))(error))
        }
        _ => Ok(()),
    }
}

/// Removes an address from the device; one that is gone already is no error.
pub(super) async fn delete(
    handle: &Handle,
    name: &str,
    index: u32,
    address: IpNetwork,
) -> Result<(), MeshApplyError> {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.family = if address.is_ipv4() {
        rtnetlink::packet_route::AddressFamily::Inet
    } else {
        rtnetlink::packet_route::AddressFamily::Inet6
    };
    message.header.prefix_len = address.prefix();
    let (ip, attributes) = (address.ip(), &mut message.attributes);
    attributes.push(AddressAttribute::Address(ip));
    if ip.is_ipv4() {
        attributes.push(AddressAttribute::Local(ip));
    }
    match handle.address().del(message).execute().await {
        Err(error) if errno(&error) != Some(Errno::EADDRNOTAVAIL as i32) => {
            Err(MeshApplyError::netlink("remove", format!("{address} from {name}"))(error))
        }
        _ => Ok(()),
    }
}

/// `IFA_LOCAL` is the device's own where `IFA_ADDRESS` is the other end's; IPv6 has `IFA_ADDRESS` alone.
fn own(message: &AddressMessage) -> Option<IpNetwork> {
    let (mut local, mut other) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => other = Some(*address),
            _ => {}
        }
    }
    let address = local.or(other)?;
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    (!link_local).then(|| IpNetwork::new(address, message.header.prefix_len).ok())?
}
