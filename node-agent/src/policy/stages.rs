//! The smaller stages of a compilation.
use super::blocks::Ranges;
use super::classes::ClassKey;
use super::compiler::Compiler;
use super::matcher::Matcher;
use super::profiles::{ProfileChanges, ProfileKey};
use super::rules::Direction;
use super::tables::Tables;
use crate::model::ObjectName;
use ringfence_abi::{Addr, AddressKind, EndpointValue, PrefixValue};
use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

impl Compiler {
    /// The prefix table and the transit classes.
    pub(super) fn refresh_prefixes(&mut self, tables: &mut Tables) {
        let blocks = self.matchers.iter().filter(|(_, m)| matches!(***m, Matcher::Block(_)));
        let blocks = blocks.map(|(id, m)| (id, &**m));
        self.ranges = Ranges::new(blocks, &self.nodes.ranges, &mut self.sets, self.seeded);
        let of_blocks = |blocks: u32| ClassKey { blocks, ..ClassKey::default() };
        let mut prefixes = std::collections::HashMap::with_capacity(self.ranges.prefixes.len());
        for (network, set, kind) in &self.ranges.prefixes {
            let class = self.classes.acquire(&of_blocks(*set), &mut self.next_class);
            prefixes.insert(*network, PrefixValue { class, kind: *kind as u8, pad: [0; 3] });
        }
        let transit =
            self.ranges.whole.map(|set| self.classes.acquire(&of_blocks(set), &mut self.next_class));
        for old in std::mem::replace(&mut tables.prefixes, prefixes).values() {
            self.classes.release(old.class);
        }
        for old in std::mem::replace(&mut tables.transit_class, transit) {
            self.classes.release(old);
        }
    }

    pub(super) fn refresh_profiles(&mut self, changed_policies: &HashSet<u32>) -> ProfileChanges {
        let mut wanted = BTreeSet::new();
        for bound in self.locals.by_ifindex.values() {
            let Some(pod) = &bound.pod else { continue };
            for direction in [Direction::Ingress, Direction::Egress] {
                wanted.extend(ProfileKey::of(pod, direction, &self.selections, self.seeded));
            }
        }
        self.profiles.update(wanted, changed_policies, &self.selections, &mut self.next_profile)
    }

    pub(super) fn refresh_endpoints(&mut self, tables: &mut Tables) {
        tables.endpoints.clear();
        for (ifindex, bound) in &self.locals.by_ifindex {
            let profile = |direction| {
                let key = ProfileKey::of(bound.pod.as_ref()?, direction, &self.selections, self.seeded)?;
                self.profiles.number(&key)
            };
            let address = |v4: bool| bound.endpoint.addresses.iter().find(|a| a.is_ipv4() == v4).copied();
            let class = |address: Option<IpAddr>| {
                let value = address.and_then(|a| tables.addresses.get(&a.into()));
                let ours = value.filter(|v| v.owner == *ifindex && v.kind == AddressKind::LocalPod as u8);
                ours.map_or(0, |v| v.class)
            };
            let (v4, v6) = (address(true), address(false));
            let value = EndpointValue {
                id: bound.endpoint.id,
                ingress_profile: profile(Direction::Ingress).unwrap_or(0),
                egress_profile: profile(Direction::Egress).unwrap_or(0),
                class_v4: class(v4),
                class_v6: class(v6),
                flags: if bound.pod.is_none() { EndpointValue::DENY_ALL } else { 0 },
                v4: v4.map_or(Addr::NONE, Addr::from),
                v6: v6.map_or(Addr::NONE, Addr::from),
            };
            tables.endpoints.insert(*ifindex, value);
        }
    }

    /// Addresses of the pods of one namespace.
    pub(super) fn addresses_in(&self, namespace: &str) -> Vec<Addr> {
        let pods = self.snapshot.pods.range(ObjectName::new(namespace, "")..);
        let pods = pods.take_while(|(name, _)| name.namespace == namespace).map(|(_, pod)| pod);
        let local = self.locals.by_ifindex.values().filter(|b| b.endpoint.pod.namespace == namespace);
        let local = local.flat_map(|b| &b.endpoint.addresses);
        pods.flat_map(|pod| &pod.addresses).chain(local).map(|a| (*a).into()).collect()
    }

    /// Throws out sets that nothing refers to, whenever they may have become as many as the others.
    pub(super) fn sweep(&mut self) {
        self.identities.sweep();
        if self.sets.len() < 2 * self.sets_kept + 1024 {
            return;
        }
        let classes = self.classes.iter().flat_map(|(_, key)| [key.pods, key.blocks, key.features]);
        let others = self.identities.sets_in_use().chain(self.ranges.sets_in_use());
        let live: HashSet<u32> = classes.chain(others).collect();
        self.sets.retain(&live);
        self.sets_kept = self.sets.len();
    }
}
