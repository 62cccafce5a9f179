//! Gathering the status report.
use super::reconcile::Reconciler;
use crate::apply::bpf::Datapath;
use crate::endpoint::Record;
use crate::model::Problem;
use crate::policy::tables::Tables;
use crate::status::{EndpointStatus, Enforcement, MeshStatus, RetryStatus, StatusReport, TableStatus};
use crate::watch::Kind;
use ringfence_abi::{Counter, EndpointValue, Reason, names};
use std::collections::BTreeMap;
use tokio::time::Instant;

impl Reconciler {
    /// Everything `ringfence status` shows, as it is now.
    pub(super) async fn report(&mut self) -> StatusReport {
        let mut errors = self.troubles.all();
        let retry = self.pace.failing(Instant::now()).map(|(attempts, next)| RetryStatus {
            attempts,
            next_milliseconds: u64::try_from(next.as_millis()).unwrap_or(u64::MAX),
        });
        let mesh = MeshStatus { retry, ..self.mesh.status(&mut errors).await };
        let locked = self.mesh.locked(&mut errors).await;
        let datapath = self.enforcer.datapath.lock().await;
        let (mut drops, counters) = counters(&datapath, &mut errors);
        *drops.entry(Reason::Plaintext.name().to_owned()).or_default() += locked;
        let tables = self.enforcer.enforced();
        let mut problems = self.known.problems.to_vec();
        problems.extend(self.enforcer.problems().iter().cloned().map(|problem| self.located(problem)));
        problems.extend(self.mesh.spec.problems.iter().cloned());
        if let (Some(rotation), Some(snapshot)) = (&self.mesh.rotation, &self.known.snapshot) {
            problems.extend(rotation.problems(snapshot));
        }
        let mut waiting_for = self.readiness.waiting_for();
        waiting_for.extend(self.known.waiting_for.iter().map(|kind| format!("objects of kind {kind}")));
        StatusReport {
            node: self.config.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            source: self.config.source.to_string(),
            ready: self.readiness.is_ready(),
            waiting_for,
            enforcement: Enforcement {
                wanted: self.known.snapshot.as_ref().map_or(0, |s| s.revision),
                enforced: self.enforcer.in_force().revision,
                wanted_version: self.known.snapshot.as_ref().and_then(|s| s.version).map(|v| v.to_string()),
                enforced_version: self.enforcer.in_force().version.map(|v| v.to_string()),
                generation: datapath.maps().config().map_or(0, |config| config.generation),
                hooks: datapath.mode().name().to_owned(),
                devices: self.devices.values().filter(|d| !d.loopback).count(),
            },
            mesh,
            endpoints: self.registry.records().map(|record| endpoint(record, tables)).collect(),
            plaintext: drops.get(Reason::Plaintext.name()).copied().unwrap_or(0),
            drops,
            counters,
            tables: fill(&datapath, tables),
            problems,
            errors,
            refused_nodes: self.mesh.refused(),
        }
    }
}

impl Reconciler {
    /// A problem that was found in compiling, with where its object was read.
    fn located(&self, problem: Problem) -> Problem {
        match &self.known.snapshot {
            Some(snapshot) if problem.kind == Kind::Node.to_string() => {
                Problem { source: snapshot.origin(Kind::Node, &problem.object.name), ..problem }
            }
            _ => problem,
        }
    }
}

fn counters(datapath: &Datapath, errors: &mut Vec<String>) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
    let mut read = |index: u32, name: &str| match datapath.maps().counter(index) {
        Ok(n) => Some((name.to_owned(), n)),
        Err(e) => {
            errors.push(e.to_string());
            None
        }
    };
    let drops = Reason::ALL.iter().filter_map(|(reason, name)| read(*reason as u32, name)).collect();
    let counters = Counter::ALL.iter().filter_map(|(counter, name)| read(*counter as u32, name)).collect();
    (drops, counters)
}

fn fill(datapath: &Datapath, tables: &Tables) -> Vec<TableStatus> {
    let used = [
        (names::ADDRESSES, tables.addresses.len()),
        (names::PREFIXES, tables.prefixes.len()),
        (names::ENDPOINTS, tables.endpoints.len()),
        (names::SERVICES, tables.services.len()),
        (names::POLICY, tables.policy.len()),
        (names::PORTS, tables.bitmaps.keys().max().map_or(0, |i| *i as usize + 1)),
        (names::FLOWS, datapath.maps().flow_count().unwrap_or(0)),
    ];
    let table = |(name, used): (&str, usize)| TableStatus {
        name: name.to_owned(),
        used: used as u64,
        capacity: u64::from(datapath.sizes().get(name)),
    };
    used.into_iter().map(table).collect()
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
