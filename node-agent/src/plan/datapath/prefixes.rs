//! Longest-prefix look-ups, as the kernel's trie does them.
use crate::policy::tables::Tables;
use ipnetwork::IpNetwork;
use ringfence_abi::PrefixValue;
use std::net::IpAddr;

/// A prefix table with the lengths it has, longest first, by family.
#[derive(Debug)]
pub(super) struct Lpm<'a> {
    tables: &'a Tables,
    lengths: [Vec<u8>; 2],
}

impl<'a> Lpm<'a> {
    pub(super) fn new(tables: &'a Tables) -> Self {
        let of_family = |v6: bool| {
            let all = tables.prefixes.keys().filter(|n| n.is_ipv6() == v6).map(IpNetwork::prefix);
            let mut seen = [false; 129];
            all.for_each(|length| seen[usize::from(length)] = true);
            (0..=128u8).rev().filter(|length| seen[usize::from(*length)]).collect()
        };
        Self { tables, lengths: [of_family(false), of_family(true)] }
    }

    /// What covers all of the network, itself included.
    pub(super) fn cover(&self, network: &IpNetwork) -> PrefixValue {
        self.longest(network.ip(), network.prefix())
    }

    /// What covers the address.
    pub(super) fn of(&self, address: IpAddr) -> PrefixValue {
        self.longest(address, 128)
    }

    fn longest(&self, address: IpAddr, at_most: u8) -> PrefixValue {
        let lengths =
            self.lengths[usize::from(address.is_ipv6())].iter().filter(|length| **length <= at_most);
        let found =
            lengths.filter_map(|length| self.tables.prefixes.get(&crate::policy::masked(address, *length)?));
        found.copied().next().unwrap_or_default()
    }
}
