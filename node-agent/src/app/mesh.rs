//! The mesh from snapshot to kernel: keys, publication, compile, converge.
use super::enforce::SharedDatapath;
use super::guard::{self, GuardError};
use super::keys::{Keys, KeysError};
use super::troubles::Troubles;
use super::{Config, caution};
use crate::apply::bpf::{Attached, Device, Role};
use crate::apply::mesh::{MeshApplyError, MeshExecutor, MeshExecutorConfig, Programs, Report, converge};
use crate::desired::Snapshot;
use crate::mesh::{LocalKeysView, MeshConfig, MeshError, MeshInput, MeshSpec, compile};
use crate::model::Problem;
use crate::plan::mesh::Backend;
use futures::future::BoxFuture;
use ringfence_keyring::Epoch;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// The mesh's epoch: it has not been rotated yet.
pub(super) const EPOCH: Epoch = Epoch::ZERO;

/// Why the mesh is not as it shall be.
#[derive(Debug, thiserror::Error)]
pub(super) enum MeshTrouble {
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Compile(#[from] MeshError),
    #[error(transparent)]
    Apply(#[from] MeshApplyError),
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error("{}", .0.join("; "))]
    Steps(Vec<String>),
}

/// Keeps this node's part of the mesh what the newest snapshot says.
pub(super) struct MeshKeeper {
    pub(super) config: Arc<Config>,
    pub(super) executor: MeshExecutor,
    pub(super) keys: Option<Keys>,
    pub(super) spec: MeshSpec,
    /// What an administrator should know of this node's part; each is logged when it begins.
    pub(super) warnings: BTreeSet<String>,
    /// Refused nodes that were told of.
    problems: BTreeSet<Problem>,
    settings: MeshConfig,
}

/// Puts programs onto the WireGuard devices that the executor makes.
struct OnDevices(SharedDatapath);

impl Programs for OnDevices {
    fn attach<'a>(
        &'a self,
        name: &'a str,
        index: u32,
    ) -> BoxFuture<'a, Result<(), Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async move {
            let device = Device { ifindex: index, name: name.to_owned(), role: Role::Mesh };
            let mut done = Attached::default();
            self.0.lock().await.ensure_device(&device, &mut done).await;
            done.errors.into_iter().next().map_or(Ok(()), |e| Err(e.into()))
        })
    }
}

impl MeshKeeper {
    /// Chooses a WireGuard. Nothing is touched yet.
    pub(super) async fn new(config: Arc<Config>, datapath: SharedDatapath) -> Result<Self, MeshApplyError> {
        let executor = MeshExecutorConfig {
            backend: config.wireguard,
            state: config.run_dir.clone(),
            binary: PathBuf::from("/proc/self/exe"),
            nft: PathBuf::from("nft"),
        };
        let executor = MeshExecutor::new(executor, Arc::new(OnDevices(datapath))).await?;
        let cluster_cidrs = config.cluster_cidrs.clone();
        let settings = MeshConfig { ports: config.ports, cluster_cidrs, ..MeshConfig::default() };
        let (warnings, problems) = (BTreeSet::new(), BTreeSet::new());
        let spec = MeshSpec::default();
        let mut keeper = Self { config, settings, executor, keys: None, spec, warnings, problems };
        keeper.warn();
        Ok(keeper)
    }

    /// Brings the mesh to where the snapshot wants it; whether it stands.
    pub(super) async fn round(&mut self, snapshot: &Snapshot, troubles: &mut Troubles) -> bool {
        let done = self.attempt(snapshot).await;
        self.warn();
        troubles.note("mesh", done).is_some()
    }

    /// MTU of the mesh, bytes: what pods' devices may have. `None` while there is no mesh.
    pub(super) fn mtu(&self) -> Option<u32> {
        self.spec.devices.values().map(|device| device.mtu).min()
    }

    /// Takes up what there is to warn of.
    fn warn(&mut self) {
        let of_kernel = match self.executor.backend() {
            Backend::Kernel => caution::of_this_kernel(),
            Backend::Userspace => None,
        };
        let warnings: BTreeSet<String> = self.spec.warnings.iter().cloned().chain(of_kernel).collect();
        for warning in warnings.difference(&self.warnings) {
            tracing::warn!(warning, "the mesh of this node");
        }
        self.warnings = warnings;
        let problems: BTreeSet<Problem> = self.spec.problems.iter().cloned().collect();
        for problem in problems.difference(&self.problems) {
            tracing::warn!(%problem, "a node is refused");
        }
        self.problems = problems;
    }

    async fn attempt(&mut self, snapshot: &Snapshot) -> Result<(), MeshTrouble> {
        let name = &self.config.node;
        let node = snapshot.nodes.get(name).ok_or_else(|| MeshError::NoSuchNode { node: name.clone() })?;
        if self.keys.as_ref().is_some_and(|keys| !keys.are_for(node)) {
            // The old store's lock must be gone before the new one is opened.
            self.keys = None;
        }
        let keys = match self.keys.take() {
            Some(keys) => keys,
            None => Keys::open(&self.config, node, snapshot, EPOCH)?,
        };
        let keys = self.keys.insert(keys);
        let underlay = self.executor.underlay(&node.addresses).await?;
        keys.publish(&self.config, node, snapshot, (&underlay, EPOCH))?;
        let view = LocalKeysView::new(&keys.keys, EPOCH);
        self.spec = compile(&MeshInput {
            snapshot,
            node: name,
            keys: &view,
            underlay: &underlay,
            config: &self.settings,
            previous: &self.spec.members,
        })?;
        guard::note(&self.config.state_dir, &self.spec)?;
        let Report { done, failed, .. } = converge(&mut self.executor, &self.spec, &keys.keys).await?;
        for action in &done {
            tracing::info!(?action, "mesh");
        }
        let failed: Vec<String> =
            failed.iter().filter_map(|(_, error)| error.as_ref()).map(ToString::to_string).collect();
        if failed.is_empty() { Ok(()) } else { Err(MeshTrouble::Steps(failed)) }
    }
}
