//! Gathering the status report.
use super::reconcile::Reconciler;
use crate::endpoint::Record;
use crate::policy::tables::Tables;
use crate::status::{EndpointStatus, Enforcement, StatusReport, TableStatus};
use ringfence_abi::{Counter, EndpointValue, Reason, names};
use std::collections::BTreeMap;

impl Reconciler {
    /// Everything `ringfence status` shows, as it is now.
    pub(super) async fn report(&mut self) -> StatusReport {
        let mut troubles = self.troubles.all();
        let (drops, counters) = self.counters(&mut troubles);
        let tables = self.enforcer.enforced();
        let mut problems = self.snapshot.as_ref().map(|s| s.problems.to_vec()).unwrap_or_default();
        problems.extend(self.enforcer.problems().iter().cloned());
        let generation = self.enforcer.datapath.maps().config().map_or(0, |config| config.generation);
        StatusReport {
            node: self.config.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ready: self.readiness.is_ready(),
            waiting_for: self.readiness.waiting_for(),
            enforcement: Enforcement {
                wanted: self.snapshot.as_ref().map_or(0, |s| s.revision),
                enforced: self.enforcer.enforced_revision(),
                generation,
                hooks: self.enforcer.datapath.mode().name().to_owned(),
                devices: self.devices.values().filter(|d| !d.loopback).count(),
            },
            mesh: self.mesh.status().await,
            endpoints: self.registry.records().map(|record| endpoint(record, tables)).collect(),
            plaintext: drops.get(Reason::Plaintext.name()).copied().unwrap_or(0),
            drops,
            counters,
            tables: self.tables(tables),
            problems,
            errors: troubles,
            refused_nodes: self.mesh.refused(),
        }
    }

    fn counters(&self, troubles: &mut Vec<String>) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
        let maps = self.enforcer.datapath.maps();
        let mut read = |index: u32, name: &str| match maps.counter(index) {
            Ok(n) => Some((name.to_owned(), n)),
            Err(e) => {
                troubles.push(e.to_string());
                None
            }
        };
        let drops = Reason::ALL.iter().filter_map(|(reason, name)| read(*reason as u32, name)).collect();
        let counters = Counter::ALL.iter().filter_map(|(counter, name)| read(*counter as u32, name)).collect();
        (drops, counters)
    }

    fn tables(&self, tables: &Tables) -> Vec<TableStatus> {
        let flows = self.enforcer.datapath.maps().flow_count().unwrap_or(0);
        let used = [
            (names::ADDRESSES, tables.addresses.len()),
            (names::PREFIXES, tables.prefixes.len()),
            (names::ENDPOINTS, tables.endpoints.len()),
            (names::SERVICES, tables.services.len()),
            (names::POLICY, tables.policy.len()),
            (names::PORTS, tables.bitmaps.keys().max().map_or(0, |i| *i as usize + 1)),
            (names::FLOWS, flows),
        ];
        let sizes = self.enforcer.datapath.sizes();
        let table = |(name, used): (&str, usize)| TableStatus {
            name: name.to_owned(),
            used: used as u64,
            capacity: u64::from(sizes.get(name)),
        };
        used.into_iter().map(table).collect()
    }
}

fn endpoint(record: &Record, tables: &Tables) -> EndpointStatus {
    let entry = tables.endpoints.get(&record.ifindex).copied().unwrap_or_default();
    let known = tables.endpoints.contains_key(&record.ifindex);
    let state = match (record.closing, known && entry.flags & EndpointValue::DENY_ALL == 0) {
        (true, _) => "closing",
        (false, true) => "enforced",
        (false, false) => "denied",
    };
    EndpointStatus {
        pod: record.pod.clone(),
        id: record.id,
        device: record.host_device.clone(),
        ifindex: record.ifindex,
        addresses: record.addresses.clone(),
        state: state.to_owned(),
        ingress_isolated: entry.ingress_profile != 0,
        egress_isolated: entry.egress_profile != 0,
    }
}
