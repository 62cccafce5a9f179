//! How many entries each table holds.
use crate::plan::datapath::Peak;
use ringfence_abi::{Hint, NearEndpoint, PolicyValue, Recent, names, reason};
use std::collections::BTreeMap;

/// Capacity of every table, entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sizes(BTreeMap<&'static str, u32>);

/// Tables that grow with what they must hold. The others are fixed, or are caches.
pub const GROWING: [&str; 7] = [
    names::ADDRESSES,
    names::PREFIXES,
    names::ENDPOINTS,
    names::ROLES,
    names::SERVICES,
    names::POLICY,
    names::PORTS,
];

impl Sizes {
    /// What a node starts with: `tables` entries in each table that grows (bitmaps: a sixty-fourth of it, for each
    /// takes 8 KiB), `flows` in the flow table and a sixteenth of that for fragments.
    pub fn initial(tables: u32, flows: u32) -> Self {
        let mut sizes: BTreeMap<_, _> = GROWING.into_iter().map(|name| (name, tables.max(4))).collect();
        sizes.insert(names::PORTS, (tables / 64).max(PolicyValue::FIRST_BITMAP + 2));
        sizes.insert(names::FLOWS, flows.max(64));
        sizes.insert(names::FRAGMENTS, (flows / 16).max(64));
        sizes.insert(names::HINTS, Hint::LEN);
        // A CPU that has no elements looks flows up.
        let cpus = aya::util::nr_cpus().map_or(1, |n| n.get());
        sizes.insert(names::RECENT, Recent::EACH.saturating_mul(cpus));
        sizes.insert(names::NEAR, NearEndpoint::LEN);
        sizes.insert(names::COUNTERS, reason::COUNTERS_LEN);
        sizes.insert(names::CONFIG, 1);
        Self(sizes)
    }

    /// Capacity of one table.
    pub fn get(&self, name: &str) -> u32 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Sets the capacity of one table.
    pub fn set(&mut self, name: &'static str, entries: u32) {
        self.0.insert(name, entries);
    }

    /// Whether everything in `need` fits.
    pub fn hold(&self, need: &Sizes) -> bool {
        GROWING.into_iter().all(|name| need.get(name) <= self.get(name))
    }

    /// These, with every table that `need` would fill beyond three quarters made twice as large as its need; and which
    /// tables that concerns.
    pub fn grown(&self, need: &Sizes) -> (Self, Vec<&'static str>) {
        let mut grown = self.clone();
        let mut which = Vec::new();
        for name in GROWING {
            let (have, need) = (self.get(name), need.get(name));
            if u64::from(need) * 4 > u64::from(have) * 3 {
                grown.set(
                    name,
                    need.saturating_mul(2).max(have).checked_next_power_of_two().unwrap_or(u32::MAX),
                );
                which.push(name);
            }
        }
        (grown, which)
    }
}

/// What a plan takes at its fullest, as capacities.
pub fn need(peak: &Peak) -> Sizes {
    let entries = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Sizes(BTreeMap::from([
        (names::ADDRESSES, entries(peak.addresses)),
        (names::PREFIXES, entries(peak.prefixes)),
        (names::ENDPOINTS, entries(peak.endpoints)),
        // Every endpoint may come to have one.
        (names::ROLES, entries(peak.endpoints)),
        (names::SERVICES, entries(peak.services)),
        (names::POLICY, entries(peak.policy)),
        (names::PORTS, entries(peak.ports)),
    ]))
}
