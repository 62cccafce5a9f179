//! What the programs do with the tables, as plain functions: the address's class, then the policy, then one bit.
use super::tables::Tables;
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use ringfence_abi::{AddressKind, EndpointValue, PolicyKey, PolicyValue, PortBitmap, ServiceKey};
use std::net::IpAddr;

/// What the tables say about an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Located {
    /// Peer class; 0 matches nothing.
    pub class: u32,
    /// What the address is, seen from the tables' node.
    pub kind: AddressKind,
    /// A local pod's ifindex or the owning node's number; 0 for addresses found in prefixes only.
    pub owner: u32,
}

/// The kind that a table value's byte stands for; anything unknown is external.
pub fn kind_of(byte: u8) -> AddressKind {
    const ALL: [AddressKind; 8] = [
        AddressKind::External,
        AddressKind::LocalPod,
        AddressKind::RemotePod,
        AddressKind::ThisNode,
        AddressKind::RemoteNode,
        AddressKind::RemoteTransit,
        AddressKind::LocalPodRange,
        AddressKind::RemotePodRange,
    ];
    ALL.get(usize::from(byte)).copied().unwrap_or(AddressKind::External)
}

/// Whether port `port` (host order) is in the set.
pub fn bitmap_has(bitmap: &PortBitmap, port: u16) -> bool {
    bitmap.words[usize::from(port / 64)] >> (port % 64) & 1 == 1
}

impl Tables {
    /// `RF_ADDRESSES`, else the longest match in `RF_PREFIXES`, else class 0.
    pub fn locate(&self, address: IpAddr) -> Located {
        if let Some(value) = self.addresses.get(&address.into()) {
            return Located { class: value.class, kind: kind_of(value.kind), owner: value.owner };
        }
        self.longest_prefix(address).unwrap_or(Located { class: 0, kind: AddressKind::External, owner: 0 })
    }

    fn longest_prefix(&self, address: IpAddr) -> Option<Located> {
        let lengths = if address.is_ipv4() { 32u8 } else { 128 };
        (0..=lengths).rev().find_map(|length| {
            let value = self.prefixes.get(&masked(address, length)?)?;
            Some(Located { class: value.class, kind: kind_of(value.kind), owner: 0 })
        })
    }

    /// Whether `profile` lets traffic of `class` through to `port` (host order). `protocol` is an IP protocol number;
    /// other ones than TCP, UDP and SCTP have no ports.
    pub fn permits(&self, profile: u32, class: u32, protocol: u8, port: u16) -> bool {
        self.policy
            .get(&PolicyKey { profile, class })
            .is_some_and(|value| self.value_has(value, protocol, port))
    }

    /// One bit of a policy value.
    pub fn value_has(&self, value: &PolicyValue, protocol: u8, port: u16) -> bool {
        let field = match protocol {
            6 => value.tcp,
            17 => value.udp,
            132 => value.sctp,
            _ => value.other,
        };
        match field {
            PolicyValue::NONE => false,
            PolicyValue::ALL => true,
            index => self.bitmaps.get(&index).is_some_and(|bitmap| bitmap_has(bitmap, port)),
        }
    }

    /// The local pod behind this ifindex, unless everything of it is dropped.
    pub fn live_endpoint(&self, ifindex: u32) -> Option<&EndpointValue> {
        self.endpoints.get(&ifindex).filter(|e| e.flags & EndpointValue::DENY_ALL == 0)
    }

    /// The class that `RF_SERVICES` has for this address and port (host order): `Some(0)` leaves it to later hooks.
    pub fn service_class(&self, address: IpAddr, protocol: u8, port: u16) -> Option<u32> {
        self.services.get(&service_key(address, protocol, port)).map(|v| v.class)
    }
}

/// A key of `RF_SERVICES`; `port` in host order.
pub fn service_key(address: IpAddr, protocol: u8, port: u16) -> ServiceKey {
    ServiceKey { addr: address.into(), port: port.to_be(), protocol, pad: 0 }
}

/// The network of this length that holds the address; `None` if the family has no such length.
pub(crate) fn masked(address: IpAddr, length: u8) -> Option<IpNetwork> {
    Some(match address {
        IpAddr::V4(a) => {
            let bits = u32::from(a) & u32::MAX.checked_shl(32u32.checked_sub(length.into())?).unwrap_or(0);
            IpNetwork::V4(Ipv4Network::new(bits.into(), length).ok()?)
        }
        IpAddr::V6(a) => {
            let bits = u128::from(a) & u128::MAX.checked_shl(128u32.checked_sub(length.into())?).unwrap_or(0);
            IpNetwork::V6(Ipv6Network::new(bits.into(), length).ok()?)
        }
    })
}
