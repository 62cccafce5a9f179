//! Policy from snapshot to kernel: compile, plan by difference, apply.
use super::{Config, interim};
use crate::apply::bpf::{Datapath, DatapathError};
use crate::desired::Snapshot;
use crate::endpoint::Record;
use crate::model::Problem;
use crate::policy::tables::{LocalEndpoint, LocalView, Tables};
use crate::policy::{CompileOutput, Compiler};
use ringfence_abi::{Addr, EndpointValue};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The tables are read back this often, in case somebody else has written to them.
const REREAD: Duration = Duration::from_secs(30);

/// The datapath, shared with the mesh's executor, which has programs put onto devices that it makes. Both run on the
/// reconcile task, so nobody ever waits for it.
pub(super) type SharedDatapath = Arc<Mutex<Datapath>>;

/// What is still to be done of a plan.
#[derive(Debug)]
struct Pending {
    from: Arc<Tables>,
    target: Arc<Tables>,
    compiled: u64,
    snapshot: u64,
}

/// Keeps the tables what the newest snapshot says.
pub(super) struct Enforcer {
    config: Arc<Config>,
    pub(super) datapath: SharedDatapath,
    compiler: Compiler,
    problems: Vec<Problem>,
    /// What the kernel holds; `None` if that has to be read.
    observed: Option<Arc<Tables>>,
    read_at: Instant,
    enforced: Arc<Tables>,
    enforced_snapshot: u64,
    pending: Option<Pending>,
}

impl Enforcer {
    /// Takes up what the kernel enforces.
    pub(super) async fn new(config: Arc<Config>, datapath: SharedDatapath) -> Result<Self, DatapathError> {
        let observed = Arc::new(datapath.lock().await.observe()?);
        Ok(Self {
            config,
            datapath,
            compiler: Compiler::starting_after(&observed),
            problems: Vec::new(),
            enforced: observed.clone(),
            observed: Some(observed),
            read_at: Instant::now(),
            enforced_snapshot: 0,
            pending: None,
        })
    }

    /// What only this node knows.
    pub(super) fn view(
        &self,
        addresses: Vec<IpAddr>,
        endpoints: Vec<LocalEndpoint>,
        refused_nodes: BTreeSet<String>,
    ) -> LocalView {
        LocalView {
            node: self.config.node.clone(),
            addresses,
            endpoints,
            refused_nodes,
            cluster_pod_cidrs: self.config.cluster_cidrs.iter().copied().collect(),
        }
    }

    /// The tables in force.
    pub(super) fn enforced(&self) -> &Tables {
        &self.enforced
    }

    /// Revision of the snapshot in force.
    pub(super) fn enforced_snapshot(&self) -> u64 {
        self.enforced_snapshot
    }

    /// What compiling could not take as written.
    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The highest endpoint number that the kernel knows.
    pub(super) fn highest_endpoint(&self) -> u32 {
        self.enforced.endpoints.values().map(|e| e.id).max().unwrap_or(0)
    }

    /// Makes room for what the snapshot asks for, and plans the way there. Whether tables grew: then every hook must be
    /// moved to the new ones before anything is written.
    pub(super) async fn prepare(
        &mut self,
        snapshot: &Snapshot,
        local: &LocalView,
    ) -> Result<bool, DatapathError> {
        let CompileOutput { tables, problems, revision } = self.compiler.compile(snapshot, local);
        self.problems = problems;
        let mut datapath = self.datapath.lock().await;
        let observed = match self.observed.take().filter(|_| self.read_at.elapsed() < REREAD) {
            Some(observed) => observed,
            None => {
                self.read_at = Instant::now();
                Arc::new(datapath.observe()?)
            }
        };
        self.observed = Some(observed.clone());
        if Arc::ptr_eq(&observed, &tables) {
            self.enforced_snapshot = snapshot.revision;
            self.pending = None;
            return Ok(false);
        }
        let grew = datapath.reserve(&observed, &tables)?;
        if !grew.is_empty() {
            tracing::info!(tables = ?grew, "tables grew");
        }
        self.pending =
            Some(Pending { from: observed, target: tables, compiled: revision, snapshot: snapshot.revision });
        Ok(!grew.is_empty())
    }

    /// Does everything up to the first grace period: after that what is new is in force.
    pub(super) async fn begin(&mut self) -> Result<(), DatapathError> {
        let Some(pending) = &self.pending else { return Ok(()) };
        // If anything fails, only the kernel knows how far it went.
        self.observed = None;
        let mut datapath = self.datapath.lock().await;
        let ports = [self.config.ports.zero, self.config.ports.one];
        interim::begin(&mut datapath, &pending.from, &pending.target, ports)?;
        datapath.commit()?;
        self.enforced = pending.target.clone();
        self.enforced_snapshot = pending.snapshot;
        Ok(())
    }

    /// Waits for the grace period, and does the rest.
    pub(super) async fn finish(&mut self) -> Result<(), DatapathError> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        if !Arc::ptr_eq(&self.enforced, &pending.target) {
            // It never began.
            return Ok(());
        }
        let mut datapath = self.datapath.lock().await;
        interim::finish(&mut datapath, &pending.from, &pending.target)?;
        self.compiler.applied(pending.compiled);
        self.observed = Some(pending.target);
        Ok(())
    }

    /// Cuts a new endpoint off, before its programs are attached and its policy is known.
    pub(super) async fn deny(&mut self, record: &Record) -> Result<(), DatapathError> {
        let known = self.enforced.endpoints.get(&record.ifindex);
        if known.is_some_and(|entry| entry.id == record.id) {
            // ADD came again for a pod that is attached already: it goes on working.
            return Ok(());
        }
        let address = |v6: bool| {
            record.addresses.iter().find(|a| a.is_ipv6() == v6).map_or(Addr::NONE, |a| (*a).into())
        };
        let entry = EndpointValue {
            id: record.id,
            flags: EndpointValue::DENY_ALL,
            v4: address(false),
            v6: address(true),
            ..EndpointValue::default()
        };
        self.observed = None;
        self.datapath.lock().await.put_endpoint(record.ifindex, &entry)?;
        Arc::make_mut(&mut self.enforced).endpoints.insert(record.ifindex, entry);
        Ok(())
    }
}
