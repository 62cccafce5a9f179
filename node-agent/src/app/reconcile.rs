//! The task that owns all state of the kernel. It wakes when a snapshot, a request or a notification comes, and at least
//! once a second; each time it brings the kernel from what it is to what it shall be, by difference. [`Pace`] keeps
//! notifications from causing any number of rounds, and a mesh that fails from being tried all the time.
use super::calls::Waiting;
use super::enforce::{Enforcer, Prepared};
use super::index::Known;
use super::mesh::{MeshKeeper, Standing};
use super::pace::{Pace, share};
use super::troubles::Troubles;
use super::{Config, hooks};
use crate::apply::bpf::Attached;
use crate::apply::devices::{self, NodeDevice, devices};
use crate::cni::Tombstones;
use crate::control::Call;
use crate::desired::Snapshot;
use crate::endpoint::Registry;
use crate::readiness::Readiness;
use crate::words::Incoming;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// What is wrong is found within this time even if no notification came.
const TICK: Duration = Duration::from_secs(1);

/// Requests that are taken in for one round. More wait in their channel, lest a crowd of askers holds the round up.
const CROWD: usize = 64;

/// What wakes the task.
pub(super) struct Inputs {
    pub(super) known: watch::Receiver<Known>,
    pub(super) calls: mpsc::Receiver<Call>,
    pub(super) words: mpsc::Receiver<Incoming>,
    pub(super) kernel: Arc<Notify>,
    pub(super) stop: CancellationToken,
}

/// The owner of everything that is in the kernel because of us.
pub(super) struct Reconciler {
    pub(super) config: Arc<Config>,
    pub(super) netlink: rtnetlink::Handle,
    pub(super) enforcer: Enforcer,
    pub(super) mesh: MeshKeeper,
    pub(super) registry: Registry,
    pub(super) tombstones: Tombstones,
    pub(super) waiting: Vec<Waiting>,
    pub(super) readiness: Readiness,
    pub(super) troubles: Troubles,
    pub(super) known: Known,
    pub(super) devices: BTreeMap<u32, NodeDevice>,
    pub(super) pace: Pace,
}

impl Reconciler {
    /// Runs until asked to stop. What is enforced stays.
    ///
    /// # Errors
    /// None: whatever goes wrong is reported and tried again.
    pub(super) async fn run(mut self, mut inputs: Inputs) -> Result<(), Infallible> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = Instant::now();
            let waiting = self.waiting.iter().map(Waiting::deadline);
            // One that is past and was not tried (devices could not be listed) is left to the tick.
            let due = waiting.chain(self.pace.due().filter(|due| *due > now)).min();
            let deaf = self.pace.deaf_until(now);
            tokio::select! {
                // Cancel-safe: a token stays cancelled.
                () = inputs.stop.cancelled() => break,
                // Cancel-safe: a change that was not seen stays unseen. The sender going away is the source's failure,
                // which stops the agent; until then what there is goes on being enforced.
                Ok(()) = inputs.known.changed() => {}
                // Cancel-safe: a request that was not returned stays in the channel.
                Some(call) = inputs.calls.recv() => {
                    let mut changed = self.answer(call).await;
                    // Pods come in crowds: one round for all that is already here.
                    for _ in 1..CROWD {
                        let Ok(call) = inputs.calls.try_recv() else { break };
                        changed |= self.answer(call).await;
                    }
                    if !changed {
                        continue;
                    }
                }
                // Cancel-safe: what was not returned stays in the channel.
                Some(incoming) = inputs.words.recv() => {
                    self.mesh.hear(incoming);
                    // Peers answer in crowds.
                    while let Ok(incoming) = inputs.words.try_recv() {
                        self.mesh.hear(incoming);
                    }
                }
                // Cancel-safe: a permit that was not taken stays.
                () = notified(&inputs.kernel, deaf) => self.pace.hear(Instant::now()),
                // Cancel-safe: a tick that was not returned comes again.
                _ = tick.tick() => {}
                // Cancel-safe: a point in time. Somebody has waited long enough and is told why, or the mesh is due.
                () = until(due) => {}
            }
            self.known.clone_from(&inputs.known.borrow_and_update());
            self.round().await;
        }
        Ok(())
    }

    /// Brings the kernel to where it shall be.
    async fn round(&mut self) {
        let Some(found) = self.troubles.note("devices", devices(&self.netlink).await) else {
            return self.settle();
        };
        self.devices = found;
        self.forget_gone();
        // Nothing is programmed before every watch has synced: half of the objects would cut connections.
        let Some(snapshot) = self.known.snapshot.clone() else { return self.settle() };
        self.readiness.source = true;
        self.mesh.remember(&snapshot);
        self.enforce(&snapshot).await;
        self.settle();
        self.finish_policy().await;
        if self.pace.tries_mesh(snapshot.revision, Instant::now()) {
            let stands = self.mesh.round(&snapshot, &mut self.troubles).await;
            self.pace.tried_mesh(snapshot.revision, stands != Standing::Not, Instant::now(), share());
            self.readiness.mesh |= stands == Standing::Whole;
        }
        self.install_cni(&snapshot);
        self.tell().await;
    }

    /// Policy up to the point where what is new is in force.
    async fn enforce(&mut self, snapshot: &Snapshot) {
        let addresses = devices::local_addresses(&self.devices);
        let local = self.mesh.doubt(self.enforcer.view(addresses, self.registry.local()));
        let prepared = self.enforcer.prepare(snapshot, &local).await;
        let Some(Prepared { moved, cramped }) = self.troubles.note("tables", prepared) else { return };
        self.troubles.note("capacity", cramped.map_or(Ok(()), Err));
        if moved {
            // Hooks must read the tables that are written from here on.
            self.attach().await;
        }
        let begun = self.enforcer.begin().await;
        let begun = self.troubles.note("policy", begun).is_some();
        let attached = self.attach().await;
        self.readiness.policy |= begun && attached;
    }

    /// What may only be removed after a grace period.
    async fn finish_policy(&mut self) {
        let finished = self.enforcer.finish().await;
        self.troubles.note("policy", finished);
    }

    /// Programs onto every device; whether all have theirs.
    async fn attach(&mut self) -> bool {
        let wanted = hooks::wanted(&self.devices, self.registry.records());
        let Attached { changed, errors } = self.enforcer.datapath.lock().await.ensure_hooks(&wanted).await;
        if changed > 0 {
            tracing::info!(hooks = changed, "programs attached");
        }
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let result = if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) };
        self.troubles.note("hooks", result).is_some()
    }

    /// Answers those whose wish is in force, and those who have waited long enough.
    fn settle(&mut self) {
        let trouble = ["tables", "policy", "hooks", "devices"].iter().find_map(|c| self.troubles.of(c));
        let trouble = trouble.map(str::to_owned);
        let waiting = std::mem::take(&mut self.waiting);
        let tables = self.enforcer.enforced();
        self.waiting = waiting.into_iter().filter_map(|w| w.settle(tables, trouble.as_deref())).collect();
    }

    /// Takes in which veths are gone, and which deletions the agent did not hear of.
    fn forget_gone(&mut self) {
        let noted = self.tombstones.all();
        for sandbox in self.troubles.note("tombstones", noted).unwrap_or_default() {
            let closed = self.registry.close(&sandbox);
            if self.troubles.note("endpoints", closed).is_some() {
                self.troubles.note("tombstones", self.tombstones.clear(&sandbox));
            }
        }
        let gone = self.registry.forget_gone(&devices::names(&self.devices));
        for record in self.troubles.note("endpoints", gone).unwrap_or_default() {
            tracing::info!(pod = %record.pod, device = record.host_device, "detached");
        }
    }
}

/// Waits for a notification, from some point in time on.
async fn notified(kernel: &Notify, from: Option<Instant>) {
    if let Some(from) = from {
        tokio::time::sleep_until(from).await;
    }
    kernel.notified().await;
}

/// Waits until then, or for ever.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
