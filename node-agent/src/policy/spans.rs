//! Networks with their owners, those of different owners disjoint: found by one look-up, however many there are.
use super::effort;
use super::ranges::bounds;
use ipnetwork::IpNetwork;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// (IPv4, first address) -> (last address, owner).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Spans(BTreeMap<(bool, u128), (u128, Arc<str>)>);

impl Spans {
    /// Adds a network that no other owner has part of ([`Self::other`]).
    pub(super) fn take(&mut self, network: &IpNetwork, owner: &Arc<str>) {
        let (family, (first, last)) = (network.is_ipv4(), bounds(network));
        if self.last_before(family, first).is_some_and(|(end, _)| end >= last) {
            // One of the owner's own holds it.
            return;
        }
        let inner: Vec<_> = self.0.range((family, first)..=(family, last)).map(|(key, _)| *key).collect();
        effort::spend(inner.len() + 1);
        inner.iter().for_each(|key| _ = self.0.remove(key));
        self.0.insert((family, first), (last, owner.clone()));
    }

    /// An owner other than `owner` that has part of a network.
    pub(super) fn other(&self, network: &IpNetwork, owner: &str) -> Option<&str> {
        let (family, (first, last)) = (network.is_ipv4(), bounds(network));
        let below = self.0.range((family, 0)..=(family, last)).rev();
        let mut overlapping = below.take_while(|(_, (end, _))| {
            effort::spend(1);
            *end >= first
        });
        overlapping.find(|(_, (_, other))| **other != *owner).map(|(_, (_, other))| &**other)
    }

    /// Whose an address is.
    pub(super) fn owner(&self, address: IpAddr) -> Option<&str> {
        let number = super::ranges::number(address);
        let (end, owner) = self.last_before(address.is_ipv4(), number)?;
        (end >= number).then_some(owner)
    }

    /// Last address and owner of the span with the highest first address up to `number`.
    fn last_before(&self, family: bool, number: u128) -> Option<(u128, &str)> {
        effort::spend(1);
        let (_, (last, owner)) = self.0.range((family, 0)..=(family, number)).next_back()?;
        Some((*last, &**owner))
    }
}
