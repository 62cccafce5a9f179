//! The mesh from snapshot to kernel: keys, publication, compile, converge.
use super::board::Board;
use super::enforce::SharedDatapath;
use super::memory::Remembered;
use super::rotation::{Rotation, RotationError, Start};
use super::troubles::Troubles;
use super::{Config, caution};
use crate::apply::bpf::{Attached, Device, Role};
use crate::apply::mesh::{MeshApplyError, MeshExecutor, MeshExecutorConfig, Programs};
use crate::desired::Snapshot;
use crate::mesh::{
    LocalKeysView, MeshConfig, MeshError, MeshInput, MeshSpec, Pairs, UnderlayFacts, believed, networks,
};
use crate::model::Problem;
use crate::plan::mesh::Backend;
use crate::policy::tables::LocalView;
use crate::words::{Addressees, Command, Incoming, Refused};
use futures::future::BoxFuture;
use ringfence_keyring::{Epoch, PerPlane};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Why the mesh is not as it shall be.
#[derive(Debug, thiserror::Error)]
pub(super) enum MeshTrouble {
    #[error(transparent)]
    Rotation(#[from] RotationError),
    #[error(transparent)]
    Compile(#[from] MeshError),
    #[error(transparent)]
    Apply(#[from] MeshApplyError),
    /// Steps on which the rotation of keys rests.
    #[error("{}", .0.join("; "))]
    Steps(Vec<String>),
    /// Other steps.
    #[error("{}", .0.join("; "))]
    Unfinished(Vec<String>),
}

impl MeshTrouble {
    /// Whether what was under way must be taken up again as after a restart: from disk and kernel.
    fn ends_batch(&self) -> bool {
        !matches!(self, Self::Compile(_) | Self::Unfinished(_))
    }
}

/// Keeps this node's part of the mesh what the newest snapshot says.
pub(super) struct MeshKeeper {
    pub(super) config: Arc<Config>,
    pub(super) executor: MeshExecutor,
    pub(super) rotation: Option<Rotation>,
    pub(super) board: Board,
    pub(super) courier: Courier,
    pub(super) spec: MeshSpec,
    pub(super) remembered: Remembered,
    /// What an administrator should know of this node's part; each is logged when it begins.
    pub(super) warnings: BTreeSet<String>,
    /// What could not be written for others to read.
    pub(super) unwritten: BTreeMap<&'static str, Result<(), String>>,
    /// What is not believed of nodes, as far as it was told of.
    problems: BTreeSet<Problem>,
    settings: MeshConfig,
}

/// The task that talks to other agents, and what it heard.
pub(super) struct Courier {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) book: watch::Sender<Arc<Addressees>>,
    pub(super) heard: Vec<Incoming>,
    /// What came in and was not believed.
    pub(super) refused: watch::Receiver<Refused>,
}

/// How the mesh stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// As it shall.
    Whole,
    /// But for routes that cannot be made: the rest of it goes on, keys and all.
    LacksRoutes,
    /// Not.
    Not,
}

/// What one round works with.
pub(super) struct Round<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) underlay: &'a UnderlayFacts,
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
    pub(super) async fn new(
        config: Arc<Config>,
        datapath: SharedDatapath,
        courier: Courier,
        board: Board,
    ) -> Result<Self, MeshApplyError> {
        let executor = MeshExecutorConfig {
            backend: config.wireguard,
            state: config.run_dir.clone(),
            binary: PathBuf::from("/proc/self/exe"),
            nft: PathBuf::from("nft"),
        };
        let executor = MeshExecutor::new(executor, Arc::new(OnDevices(datapath))).await?;
        let cluster_cidrs = config.cluster_cidrs.clone();
        let node_cidrs = config.node_cidrs.clone();
        let settings = MeshConfig { ports: config.ports, cluster_cidrs, node_cidrs, ..MeshConfig::default() };
        let remembered = Remembered::open(&config.state_dir, config.hold_departed.as_secs());
        let mut keeper = Self {
            board,
            config,
            executor,
            rotation: None,
            courier,
            spec: MeshSpec::default(),
            remembered,
            warnings: BTreeSet::new(),
            unwritten: BTreeMap::new(),
            problems: BTreeSet::new(),
            settings,
        };
        keeper.warn();
        Ok(keeper)
    }

    /// Brings the mesh to where the snapshot wants it; how it stands.
    pub(super) async fn round(&mut self, snapshot: &Snapshot, troubles: &mut Troubles) -> Standing {
        let done = self.attempt(snapshot).await;
        if done.as_ref().is_err_and(MeshTrouble::ends_batch) {
            self.rotation = None;
        }
        self.warn();
        for (concern, result) in std::mem::take(&mut self.unwritten) {
            troubles.note(concern, result);
        }
        let goes_on = done.is_ok() || matches!(&done, Err(MeshTrouble::Unfinished(_)));
        match troubles.note("mesh", done) {
            Some(()) => Standing::Whole,
            None if goes_on && self.rotation.as_ref().is_some_and(|rotation| !rotation.unmade.is_empty()) => {
                Standing::LacksRoutes
            }
            None => Standing::Not,
        }
    }

    /// What other agents said, for the next round.
    pub(super) fn hear(&mut self, incoming: Incoming) {
        self.courier.heard.push(incoming);
    }

    /// Takes in which Node objects have gone, before anything is made of a snapshot without them.
    pub(super) fn remember(&mut self, snapshot: &Snapshot) {
        self.remembered.follow(snapshot);
    }

    /// What only this node knows, with what the mesh does not believe of nodes and what it keeps closed.
    pub(super) fn doubt(&self, mut view: LocalView) -> LocalView {
        view.refused_nodes = self.spec.refused.keys().cloned().collect();
        view.disbelieved.clone_from(&self.spec.disbelieved);
        view.cluster_pod_cidrs.extend(self.remembered.memory().departed_cidrs());
        view
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
            tracing::warn!(%problem, "a node is not believed");
        }
        self.problems = problems;
    }

    async fn attempt(&mut self, snapshot: &Snapshot) -> Result<(), MeshTrouble> {
        let name = self.config.node.clone();
        let node = snapshot.nodes.get(&name).ok_or(MeshError::NoSuchNode { node: name })?;
        let underlay = self.executor.underlay(&node.addresses).await?;
        let round = Round { snapshot, underlay: &underlay };
        if self.rotation.as_ref().is_some_and(|rotation| !rotation.is_for(node)) {
            // The old store's lock must be gone before the new one is opened.
            self.rotation = None;
        }
        if self.rotation.is_none() {
            let observed = self.executor.observe(&self.spec).await?;
            let believed = believed(&self.input(&round, &nobody()));
            let config = &self.config;
            let networks = networks(&self.input(&round, &nobody()));
            let (observed, believed, networks) = (&observed, &believed, &networks);
            let start = Start { config, node, snapshot, observed, believed, networks };
            self.rotation = Some(Rotation::start(&start)?);
            // A key that is lacking is made before anything else is heard of: our own publication still names the old one.
            self.carry_out(&round).await?;
        }
        let view = self.rotation.as_ref().map_or_else(nobody, Rotation::view);
        let believed = believed(&self.input(&round, &view));
        if let Some(rotation) = &mut self.rotation {
            rotation.feed(snapshot, &believed);
            self.courier.heard.drain(..).for_each(|incoming| rotation.hear(incoming));
            rotation.tick();
            rotation.note();
        }
        self.carry_out(&round).await
    }

    pub(super) fn input<'a>(&'a self, round: &Round<'a>, keys: &'a LocalKeysView) -> MeshInput<'a> {
        MeshInput {
            snapshot: round.snapshot,
            node: &self.config.node,
            keys,
            underlay: round.underlay,
            config: &self.settings,
            memory: self.remembered.memory(),
        }
    }
}

/// What there is of us before our keys are known.
fn nobody() -> LocalKeysView {
    let pairs = Pairs::Agreed(BTreeMap::new());
    LocalKeysView { public: PerPlane::default(), epoch: Epoch::ZERO, pairs, rotating: false }
}
