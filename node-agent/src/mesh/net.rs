//! Small questions about addresses and networks that several parts of the mesh ask.
use ipnetwork::IpNetwork;
use std::net::IpAddr;

/// An address family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const ALL: [Self; 2] = [Self::V4, Self::V6];

    pub(super) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// The network of just one address.
pub(super) fn host(address: IpAddr) -> IpNetwork {
    IpNetwork::from(address)
}

/// First and last address as numbers, with the family.
pub(super) fn span(network: IpNetwork) -> (Family, u128, u128) {
    match network {
        IpNetwork::V4(net) => {
            (Family::V4, u32::from(net.network()).into(), u32::from(net.broadcast()).into())
        }
        IpNetwork::V6(net) => (Family::V6, net.network().into(), net.broadcast().into()),
    }
}

/// The network without host bits.
pub(super) fn masked(network: IpNetwork) -> IpNetwork {
    IpNetwork::new(network.network(), network.prefix()).unwrap_or(network)
}

/// Whether all of `inner` lies in `outer`.
pub(super) fn covers(outer: IpNetwork, inner: IpNetwork) -> bool {
    let (outer_family, outer_first, outer_last) = span(outer);
    let (inner_family, inner_first, inner_last) = span(inner);
    outer_family == inner_family && outer_first <= inner_first && inner_last <= outer_last
}

/// The gateway that host-local gives a range by default: its first address that is not the network's own.
pub(super) fn gateway(network: IpNetwork) -> Option<IpAddr> {
    let (family, first, last) = span(network);
    let number = first.checked_add(1).filter(|number| *number <= last)?;
    match family {
        Family::V4 => u32::try_from(number).ok().map(|number| IpAddr::V4(number.into())),
        Family::V6 => Some(IpAddr::V6(number.into())),
    }
}
