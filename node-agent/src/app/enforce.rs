//! Policy from snapshot to kernel: compile, plan by difference, apply.
use super::Config;
use super::stamp::{restricts, stamp};
use crate::apply::bpf::{Datapath, DatapathError};
use crate::desired::Snapshot;
use crate::endpoint::Record;
use crate::model::{Problem, SourceVersion};
use crate::plan::datapath::{Action, Plan, plan};
use crate::policy::tables::{LocalEndpoint, LocalView, Tables};
use crate::policy::{CompileOutput, Compiler};
use ringfence_abi::{self as abi, Addr, EndpointValue};
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
    plan: Plan,
    begun: bool,
    target: Arc<Tables>,
    compiled: u64,
    snapshot: Moment,
}

/// Which snapshot something is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment {
    pub(super) revision: u64,
    pub(super) version: Option<SourceVersion>,
}

impl Moment {
    fn of(snapshot: &Snapshot) -> Self {
        Self { revision: snapshot.revision, version: snapshot.version }
    }
}

/// What came of preparing.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// Tables grew: every hook must be moved to the new ones before anything is written.
    pub(super) moved: bool,
    /// Tables are fuller than they should be, because bigger ones could not be made.
    pub(super) cramped: Option<DatapathError>,
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
    in_force: Moment,
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
            in_force: Moment::default(),
            pending: None,
        })
    }

    /// What only this node knows.
    pub(super) fn view(&self, addresses: Vec<IpAddr>, endpoints: Vec<LocalEndpoint>) -> LocalView {
        LocalView {
            node: self.config.node.clone(),
            addresses,
            endpoints,
            cluster_pod_cidrs: self.config.cluster_cidrs.iter().copied().collect(),
            ..LocalView::default()
        }
    }

    /// The tables in force.
    pub(super) fn enforced(&self) -> &Tables {
        &self.enforced
    }

    /// The snapshot in force.
    pub(super) fn in_force(&self) -> Moment {
        self.in_force
    }

    /// What compiling could not take as written.
    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The highest endpoint number that the kernel knows.
    pub(super) fn highest_endpoint(&self) -> u32 {
        self.enforced.endpoints.values().map(|e| e.id).max().unwrap_or(0)
    }

    /// Makes room for what the snapshot asks for, and plans the way there.
    ///
    /// # Errors
    /// [`DatapathError`]; then what is enforced stays, and whoever is new to it is denied.
    pub(super) async fn prepare(
        &mut self,
        snapshot: &Snapshot,
        local: &LocalView,
    ) -> Result<Prepared, DatapathError> {
        let CompileOutput { tables, problems, revision } = self.compiler.compile(snapshot, local);
        self.problems = problems;
        self.pending = None;
        let mut datapath = self.datapath.lock().await;
        let observed = match self.observed.take().filter(|_| self.read_at.elapsed() < REREAD) {
            Some(observed) => observed,
            None => {
                self.read_at = Instant::now();
                Arc::new(datapath.observe()?)
            }
        };
        self.observed = Some(observed.clone());
        let [zero, one] = [self.config.ports.zero, self.config.ports.one];
        let present = datapath.maps().config()?;
        let config = abi::Config { wireguard_ports: [zero.to_be(), one.to_be()], ..present };
        if Arc::ptr_eq(&observed, &tables) && present == config {
            self.in_force = Moment::of(snapshot);
            return Ok(Prepared::default());
        }
        let mut plan = plan(&observed, &tables, &config);
        if present != config {
            // Nothing else that a plan does changes the ports.
            plan.enforce.insert(0, Action::SetConfig(config));
        }
        if restricts(&plan, &observed) {
            stamp(&mut plan, present.generation);
        }
        let peak = plan.peak(&observed);
        let grown = datapath.reserve(&peak);
        if grown.is_err() && !datapath.fits(&peak) {
            return grown.map(|_| Prepared::default());
        }
        self.pending = Some(Pending {
            plan,
            begun: false,
            target: tables,
            compiled: revision,
            snapshot: Moment::of(snapshot),
        });
        let moved = !datapath.is_building() && grown.as_ref().is_ok_and(|tables| !tables.is_empty());
        Ok(Prepared { moved, cramped: grown.err() })
    }

    /// Does everything after which what is new is in force.
    pub(super) async fn begin(&mut self) -> Result<(), DatapathError> {
        let Some(pending) = &mut self.pending else { return Ok(()) };
        let mut datapath = self.datapath.lock().await;
        if !pending.plan.is_empty() {
            // If anything fails, only the kernel knows how far it went.
            self.observed = None;
            pending.plan.enforce.iter().try_for_each(|action| datapath.apply(action))?;
        }
        datapath.commit()?;
        pending.begun = true;
        self.enforced = pending.target.clone();
        self.in_force = pending.snapshot;
        Ok(())
    }

    /// Removes what is left over, after a grace period.
    pub(super) async fn finish(&mut self) -> Result<(), DatapathError> {
        let Some(pending) = self.pending.take().filter(|pending| pending.begun) else { return Ok(()) };
        let mut datapath = self.datapath.lock().await;
        pending.plan.retire.iter().try_for_each(|action| datapath.apply(action))?;
        datapath.settle()?;
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
        let observed = self.observed.take();
        self.datapath.lock().await.apply(&Action::PutEndpoint(record.ifindex, entry))?;
        Arc::make_mut(&mut self.enforced).endpoints.insert(record.ifindex, entry);
        self.observed = observed.map(|mut observed| {
            Arc::make_mut(&mut observed).endpoints.insert(record.ifindex, entry);
            observed
        });
        Ok(())
    }
}
