//! The CNI configuration: installed when the node is ready, so that a runtime does not call us before we can answer.
use super::reconcile::Reconciler;
use crate::cni::conflist::Conflist;
use crate::desired::Snapshot;

impl Reconciler {
    /// Installs the CNI configuration, where one is asked for, once the node is ready.
    pub(super) fn install_cni(&mut self, snapshot: &Snapshot) {
        let (Some(dir), Some(mtu), true) =
            (&self.config.cni_conf_dir, self.mesh.mtu(), self.readiness.is_ready())
        else {
            return;
        };
        let pod_cidrs = snapshot.nodes.get(&self.config.node).map_or(&[][..], |node| &node.pod_cidrs);
        if pod_cidrs.is_empty() {
            let why =
                format!("Node {} has no spec.podCIDRs: no CNI configuration can be made", self.config.node);
            self.troubles.note("cni", Err::<(), _>(why));
            return;
        }
        let socket = self.config.socket();
        let conflist =
            Conflist { pod_cidrs, mtu, socket: &socket, state_dir: &self.config.state_dir, ipam_dir: None };
        let installed = conflist.install(dir).map_err(|e| format!("{}: {e}", dir.display()));
        if self.troubles.note("cni", installed) == Some(true) {
            tracing::info!(dir = %dir.display(), "CNI configuration installed");
        }
    }
}
