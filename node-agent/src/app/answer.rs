//! Answering what CNI plugin and command line ask.
use super::calls::{Refusal, Waiting};
use super::hooks;
use super::reconcile::Reconciler;
use crate::apply::bpf::{Attached, Device, Role};
use crate::apply::devices::devices;
use crate::control::{AddRequest, Call, RefusalKind, Reply, Request, Sandbox};
use ringfence_abi::EndpointValue;
use std::collections::HashSet;
use tokio::sync::oneshot;

impl Reconciler {
    /// Answers a request, or takes it in for the round that follows. Returns whether a round must follow.
    pub(super) async fn answer(&mut self, Call { request, reply }: Call) -> bool {
        let (answer, changes): (Reply, bool) = match request {
            Request::CniAdd(request) => {
                self.add(request, reply).await;
                return true;
            }
            Request::CniDel(sandbox) => {
                self.del(sandbox, reply);
                return true;
            }
            Request::CniCheck(request) => (self.check(&request).await.into(), false),
            Request::CniStatus => (self.cni_status().into(), false),
            Request::CniGc { keep } => (self.collect_garbage(&keep).into(), true),
            Request::Status => (Reply::Report(Box::new(self.report().await)), false),
        };
        // Nobody minds an asker who has gone.
        let _ = reply.send(answer);
        changes
    }

    /// Registers a pod and cuts it off, in this order: number on disk, endpoint that denies all, programs on the veth.
    /// Its policy comes with the round that follows; only then is ADD answered.
    async fn add(&mut self, request: AddRequest, reply: oneshot::Sender<Reply>) {
        match self.register(&request).await {
            Ok(ifindex) => {
                self.waiting.retain(|w| !w.is_for(&request.sandbox));
                self.waiting.push(Waiting::add(request, ifindex, reply));
            }
            Err(refusal) => {
                tracing::warn!(pod = %request.pod, why = refusal.message, "not attached");
                let _ = reply.send(Err(refusal).into());
            }
        }
    }

    async fn register(&mut self, request: &AddRequest) -> Result<u32, Refusal> {
        let failed = |e: &dyn std::fmt::Display| Refusal::new(RefusalKind::Failed, e);
        request
            .sandbox
            .check()
            .map_err(|what| Refusal::new(RefusalKind::Invalid, format!("{what} is malformed")))?;
        if self.known.snapshot.is_none() {
            let message = "the agent has not heard all objects from its source yet";
            return Err(Refusal::new(RefusalKind::TryLater, message));
        }
        let device = self.device(&request.host_device).await?;
        self.tombstones.clear(&request.sandbox).map_err(|e| failed(&e))?;
        let record = self.registry.add(request, device).map_err(|e| failed(&e))?;
        self.enforcer.deny(&record).await.map_err(|e| failed(&e))?;
        let device = Device { ifindex: device, name: record.host_device, role: Role::Pod };
        let mut done = Attached::default();
        self.enforcer.datapath.lock().await.ensure_device(&device, &mut done).await;
        match done.errors.first() {
            Some(e) => Err(failed(e)),
            None => Ok(device.ifindex),
        }
    }

    /// Index of a device by name, as the kernel has it now.
    async fn device(&mut self, name: &str) -> Result<u32, Refusal> {
        self.devices = devices(&self.netlink).await.map_err(|e| Refusal::new(RefusalKind::Failed, e))?;
        let device = self.devices.values().find(|d| d.name == name && !d.loopback);
        let unknown = || format!("there is no device {name} in the agent's network namespace");
        device.map(|d| d.ifindex).ok_or_else(|| Refusal::new(RefusalKind::Invalid, unknown()))
    }

    fn del(&mut self, sandbox: Sandbox, reply: oneshot::Sender<Reply>) {
        let done = match self.registry.close(&sandbox) {
            Ok(true) => {
                let ifindex = self.registry.get(&sandbox).map_or(0, |record| record.ifindex);
                let replaced = self.waiting.extract_if(.., |w| w.is_for(&sandbox));
                replaced
                    .for_each(|w| w.refuse(Refusal::new(RefusalKind::TryLater, "the pod is being deleted")));
                self.waiting.push(Waiting::del(sandbox, ifindex, reply));
                return;
            }
            Ok(false) => Ok(()),
            Err(e) => Err(Refusal::new(RefusalKind::Failed, e)),
        };
        let _ = reply.send(done.into());
    }

    async fn check(&mut self, request: &AddRequest) -> Result<(), Refusal> {
        let ifindex = self.device(&request.host_device).await?;
        let changed = |what: String| Err(Refusal::new(RefusalKind::Failed, what));
        let Some(record) = self.registry.get(&request.sandbox) else {
            let message = format!("pod {} is not attached", request.pod);
            return Err(Refusal::new(RefusalKind::Unknown, message));
        };
        if !record.fits(request, ifindex) {
            return changed(format!(
                "pod {} was attached with another device or other addresses",
                request.pod
            ));
        }
        match self.enforcer.enforced().endpoints.get(&ifindex) {
            Some(entry) if entry.flags & EndpointValue::DENY_ALL == 0 => {}
            _ => return changed(format!("the policy of pod {} is not in force", request.pod)),
        }
        let wanted = hooks::wanted(&self.devices, self.registry.records());
        let mut done = Attached::default();
        for device in wanted.iter().filter(|d| d.ifindex == ifindex) {
            self.enforcer.datapath.lock().await.ensure_device(device, &mut done).await;
        }
        match done.errors.first() {
            Some(e) => changed(e.to_string()),
            None => Ok(()),
        }
    }

    fn cni_status(&self) -> Result<(), Refusal> {
        if self.readiness.is_ready() {
            return Ok(());
        }
        let message =
            format!("the node is not ready: waiting for {}", self.readiness.waiting_for().join(", "));
        Err(Refusal::new(RefusalKind::TryLater, message))
    }

    fn collect_garbage(&mut self, keep: &[Sandbox]) -> Result<(), Refusal> {
        let keep: HashSet<&Sandbox> = keep.iter().collect();
        let stale: Vec<Sandbox> =
            self.registry.records().map(|r| &r.sandbox).filter(|s| !keep.contains(s)).cloned().collect();
        for sandbox in stale {
            self.registry.close(&sandbox).map_err(|e| Refusal::new(RefusalKind::Failed, e))?;
        }
        Ok(())
    }
}
