//! The mesh from snapshot to kernel: keys, publication, compile, converge.
use super::enforce::SharedDatapath;
use super::troubles::Troubles;
use super::{Config, guard};
use crate::apply::bpf::{Attached, Device, Role};
use crate::apply::devices::NodeDevice;
use crate::apply::mesh::{MeshApplyError, MeshExecutor, MeshExecutorConfig, Programs, converge};
use crate::desired::Snapshot;
use crate::mesh::{LocalKeysView, MeshConfig, MeshInput, MeshSpec, compile};
use crate::plan::mesh::{Backend, ObservedMesh};
use crate::status::{BackendStatus, MeshStatus, PeerStatus, PlaneStatus};
use crate::watch::directory;
use futures::future::BoxFuture;
use ringfence_keyring::{Epoch, KeyStore, PlaneKeys, Publication};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The mesh's epoch: no rotation has happened yet.
const EPOCH: Epoch = Epoch::ZERO;

/// Keeps this node's part of the mesh what the newest snapshot says.
pub(super) struct MeshKeeper {
    config: Arc<Config>,
    mesh: MeshConfig,
    executor: MeshExecutor,
    store: Option<KeyStore>,
    keys: Option<PlaneKeys>,
    spec: MeshSpec,
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
    pub(super) async fn new(config: Arc<Config>, datapath: SharedDatapath) -> Result<Self, MeshApplyError> {
        let executor = MeshExecutorConfig {
            backend: config.wireguard,
            state: config.run_dir.clone(),
            binary: PathBuf::from("/proc/self/exe"),
            nft: PathBuf::from("nft"),
        };
        let executor = MeshExecutor::new(executor, Arc::new(OnDevices(datapath))).await?;
        let mesh = MeshConfig { ports: config.ports, cluster_cidrs: config.cluster_cidrs.clone(), ..MeshConfig::default() };
        Ok(Self { config, mesh, executor, store: None, keys: None, spec: MeshSpec::default() })
    }

    /// Brings the mesh to where the snapshot wants it; whether it stands.
    pub(super) async fn round(&mut self, snapshot: &Snapshot, troubles: &mut Troubles) -> bool {
        let done = self.attempt(snapshot).await;
        troubles.note("mesh", done).is_some()
    }

    async fn attempt(&mut self, snapshot: &Snapshot) -> anyhow::Result<()> {
        Ok(())
    }
}
