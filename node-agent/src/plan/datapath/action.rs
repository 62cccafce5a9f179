//! The steps of a datapath plan: each is one write, atomic to the programs.
use super::Plan;
use crate::policy::tables::Tables;
use ipnetwork::IpNetwork;
use ringfence_abi::{
    Addr, AddressValue, Config, EndpointValue, PolicyKey, PolicyValue, PortBitmap, PrefixValue, ServiceKey,
    ServiceValue,
};
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// One step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Writes `RF_PORTS`.
    PutBitmap(u32, Arc<PortBitmap>),
    /// Nobody refers to this index any more.
    ClearBitmap(u32),
    /// Writes `RF_POLICY`.
    PutPolicy(PolicyKey, PolicyValue),
    /// Removes from `RF_POLICY`.
    RemovePolicy(PolicyKey),
    /// Writes `RF_ADDRESSES`.
    PutAddress(Addr, AddressValue),
    /// Removes from `RF_ADDRESSES`.
    RemoveAddress(Addr),
    /// Writes `RF_PREFIXES`.
    PutPrefix(IpNetwork, PrefixValue),
    /// Removes from `RF_PREFIXES`.
    RemovePrefix(IpNetwork),
    /// Writes `RF_ENDPOINTS`.
    PutEndpoint(u32, EndpointValue),
    /// Removes from `RF_ENDPOINTS`.
    RemoveEndpoint(u32),
    /// Writes `RF_SERVICES`.
    PutService(ServiceKey, ServiceValue),
    /// Removes from `RF_SERVICES`.
    RemoveService(ServiceKey),
    /// Writes `RF_CONFIG` as a whole.
    SetConfig(Config),
    /// Waits until every program has ended that was running when this was reached.
    Grace,
}

impl Action {
    /// Does to plain values what the executor does to the kernel's.
    pub fn apply_to(&self, tables: &mut Tables, config: &mut Config) {
        match self {
            Self::PutBitmap(index, bitmap) => _ = tables.bitmaps.insert(*index, bitmap.clone()),
            Self::ClearBitmap(index) => _ = tables.bitmaps.remove(index),
            Self::PutPolicy(key, value) => _ = tables.policy.insert(*key, *value),
            Self::RemovePolicy(key) => _ = tables.policy.remove(key),
            Self::PutAddress(address, value) => _ = tables.addresses.insert(*address, *value),
            Self::RemoveAddress(address) => _ = tables.addresses.remove(address),
            Self::PutPrefix(network, value) => _ = tables.prefixes.insert(*network, *value),
            Self::RemovePrefix(network) => _ = tables.prefixes.remove(network),
            Self::PutEndpoint(ifindex, value) => _ = tables.endpoints.insert(*ifindex, *value),
            Self::RemoveEndpoint(ifindex) => _ = tables.endpoints.remove(ifindex),
            Self::PutService(key, value) => _ = tables.services.insert(*key, *value),
            Self::RemoveService(key) => _ = tables.services.remove(key),
            Self::SetConfig(new) => {
                *config = *new;
                tables.transit_class = [new.transit_class_v4, new.transit_class_v6];
            }
            Self::Grace => {}
        }
    }
}

/// How many entries each table must have room for while a plan is carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Peak {
    /// `RF_ADDRESSES`.
    pub addresses: usize,
    /// `RF_PREFIXES`.
    pub prefixes: usize,
    /// `RF_ENDPOINTS`.
    pub endpoints: usize,
    /// `RF_SERVICES`.
    pub services: usize,
    /// `RF_POLICY`.
    pub policy: usize,
    /// `RF_PORTS`: the highest index and one.
    pub ports: usize,
}

impl Plan {
    /// What `observed` and everything that the plan adds to it take together; removals are not counted on.
    pub fn peak(&self, observed: &Tables) -> Peak {
        let mut addresses = New::default();
        let mut prefixes = New::default();
        let mut endpoints = New::default();
        let mut services = New::default();
        let mut policy = New::default();
        let mut ports = observed.bitmaps.keys().next_back().map_or(0, |index| *index as usize + 1);
        for action in self.actions() {
            match action {
                Action::PutAddress(key, _) => addresses.add(key, observed.addresses.contains_key(key)),
                Action::PutPrefix(key, _) => prefixes.add(key, observed.prefixes.contains_key(key)),
                Action::PutEndpoint(key, _) => endpoints.add(key, observed.endpoints.contains_key(key)),
                Action::PutService(key, _) => services.add(key, observed.services.contains_key(key)),
                Action::PutPolicy(key, _) => policy.add(key, observed.policy.contains_key(key)),
                Action::PutBitmap(index, _) => ports = ports.max(*index as usize + 1),
                _ => {}
            }
        }
        Peak {
            addresses: observed.addresses.len() + addresses.0.len(),
            prefixes: observed.prefixes.len() + prefixes.0.len(),
            endpoints: observed.endpoints.len() + endpoints.0.len(),
            services: observed.services.len() + services.0.len(),
            policy: observed.policy.len() + policy.0.len(),
            ports,
        }
    }
}

/// Keys that were not there.
struct New<'a, K>(HashSet<&'a K>);

impl<K> Default for New<'_, K> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl<'a, K: Eq + Hash> New<'a, K> {
    fn add(&mut self, key: &'a K, known: bool) {
        if !known {
            self.0.insert(key);
        }
    }
}
