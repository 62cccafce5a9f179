//! Address ranges of one family as a sweep over their boundaries sees them.
use ipnetwork::IpNetwork;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address as a number; IPv4 in the low 32 bits.
pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u32::from(a).into(),
        IpAddr::V6(a) => a.into(),
    }
}

/// First and last address of a network as numbers.
pub(super) fn bounds(network: &IpNetwork) -> (u128, u128) {
    let (bits, length) = if network.is_ipv4() { (32, network.prefix()) } else { (128, network.prefix()) };
    let host = u128::MAX.checked_shr(128 - bits + u32::from(length)).unwrap_or(0);
    let first = number(network.ip()) & !host;
    (first, first | host)
}

/// Both families' networks that hold every address.
pub(super) const EVERYTHING: [IpNetwork; 2] = [
    IpNetwork::V4(match ipnetwork::Ipv4Network::new_checked(Ipv4Addr::UNSPECIFIED, 0) {
        Some(network) => network,
        None => unreachable!(),
    }),
    IpNetwork::V6(match ipnetwork::Ipv6Network::new_checked(Ipv6Addr::UNSPECIFIED, 0) {
        Some(network) => network,
        None => unreachable!(),
    }),
];

/// The network without host bits.
pub(super) fn normal(network: IpNetwork) -> IpNetwork {
    super::lookup::masked(network.ip(), network.prefix()).unwrap_or(network)
}

/// The gateway of a pod CIDR: its first address after the network's own, as host-local and ptp have it. `None` where the
/// network is too small to hold one.
pub fn gateway(cidr: &IpNetwork) -> Option<IpAddr> {
    let (first, last) = bounds(cidr);
    let gateway = first.checked_add(1).filter(|g| *g < last)?;
    Some(match cidr {
        IpNetwork::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(gateway).ok()?)),
        IpNetwork::V6(_) => IpAddr::V6(Ipv6Addr::from(gateway)),
    })
}
