//! The node's devices and the addresses they bear, as the kernel lists them.
use futures::TryStreamExt;
use rtnetlink::Handle;
use rtnetlink::packet_route::address::{AddressAttribute, AddressScope};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// The kernel did not tell.
#[derive(Debug, thiserror::Error)]
#[error("cannot list the node's {what}: {source}")]
pub struct DevicesError {
    what: &'static str,
    source: rtnetlink::Error,
}

/// One device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeDevice {
    /// Its index.
    pub ifindex: u32,
    /// Its name.
    pub name: String,
    /// `IFF_LOOPBACK`.
    pub loopback: bool,
    /// Bytes.
    pub mtu: u32,
    /// Its addresses, link-local ones excepted.
    pub addresses: Vec<IpAddr>,
}

/// Every device of this network namespace, by index.
///
/// # Errors
/// [`DevicesError`].
pub async fn devices(netlink: &Handle) -> Result<BTreeMap<u32, NodeDevice>, DevicesError> {
    let mut found = BTreeMap::new();
    let mut links = netlink.link().get().execute();
    while let Some(link) =
        links.try_next().await.map_err(|source| DevicesError { what: "devices", source })?
    {
        let mut device = NodeDevice {
            ifindex: link.header.index,
            name: String::new(),
            loopback: link.header.flags.contains(LinkFlags::Loopback),
            mtu: 0,
            addresses: Vec::new(),
        };
        for attribute in link.attributes {
            match attribute {
                LinkAttribute::IfName(name) => device.name = name,
                LinkAttribute::Mtu(mtu) => device.mtu = mtu,
                _ => {}
            }
        }
        found.insert(device.ifindex, device);
    }
    let mut addresses = netlink.address().get().execute();
    while let Some(a) =
        addresses.try_next().await.map_err(|source| DevicesError { what: "addresses", source })?
    {
        if a.header.scope == AddressScope::Link {
            continue;
        }
        // On point-to-point devices IFA_ADDRESS is the other end's, and IFA_LOCAL ours.
        let local = a
            .attributes
            .iter()
            .find_map(|x| if let AddressAttribute::Local(ip) = x { Some(*ip) } else { None });
        let plain = a
            .attributes
            .iter()
            .find_map(|x| if let AddressAttribute::Address(ip) = x { Some(*ip) } else { None });
        if let (Some(ip), Some(device)) = (local.or(plain), found.get_mut(&a.header.index)) {
            device.addresses.push(ip);
        }
    }
    Ok(found)
}

/// Every address that is local on the node, sorted, each once.
pub fn local_addresses(devices: &BTreeMap<u32, NodeDevice>) -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = devices.values().flat_map(|d| d.addresses.iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Names by index.
pub fn names(devices: &BTreeMap<u32, NodeDevice>) -> HashMap<u32, String> {
    devices.values().map(|d| (d.ifindex, d.name.clone())).collect()
}
