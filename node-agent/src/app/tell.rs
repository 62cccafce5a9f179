//! What this node says of itself where others read: beside its keys, in the status of its object.
use super::board::NodeStatus;
use super::reconcile::Reconciler;
use crate::plan::mesh::Backend;
use crate::status::BackendStatus;

impl Reconciler {
    /// Says how this node is, once its mesh stands.
    pub(super) async fn tell(&mut self) {
        let Some(mtu) = self.mesh.mtu().filter(|_| self.readiness.mesh) else { return };
        let wireguard = match self.mesh.executor.backend() {
            Backend::Kernel => BackendStatus::Kernel,
            Backend::Userspace => BackendStatus::Userspace,
        };
        let problems =
            self.known.problems.len() + self.enforcer.problems().len() + self.mesh.spec.problems.len();
        let status = NodeStatus { version: env!("CARGO_PKG_VERSION"), wireguard, mtu, problems };
        let told = self.mesh.board.tell(&self.config.node, status).await;
        self.troubles.note("status", told);
    }
}
