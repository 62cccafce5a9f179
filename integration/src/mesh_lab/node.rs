//! A node: namespace, keys, objects, and the thread with its executor.
use super::pod::TestPod;
use super::worker::{Attached, Worker};
use crate::netns::{Netns, Underlay};
use anyhow::{Context, Result};
use ringfence::apply::mesh::{BackendChoice, MeshExecutorConfig, Report};
use ringfence::desired::Snapshot;
use ringfence::mesh::{LocalKeysView, Memory, MeshConfig, MeshInput, MeshSpec, compile};
use ringfence::model::{Node, ObjectName, Pod};
use ringfence_keyring::{Epoch, KeyStore, PerPlane, PlaneKeys, Publication};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// A node of the lab.
pub struct MeshNode {
    /// `n1`, `n2`...
    pub name: String,
    /// Its Node object.
    pub object: Node,
    /// Its pod, `p`.
    pub pod: TestPod,
    /// Its executor.
    pub worker: Worker,
    /// Its namespace.
    pub netns: Netns,
    keys: Arc<PlaneKeys>,
    executor: MeshExecutorConfig,
    state: TempDir,
    _store: KeyStore,
}

impl MeshNode {
    pub(super) fn new(
        label: &str,
        number: u8,
        underlay: &Underlay,
        backend: BackendChoice,
        epoch: Epoch,
    ) -> Result<Self> {
        let name = format!("n{number}");
        let netns = Netns::new(&format!("{label}-{name}"))?;
        let addresses = [format!("192.0.2.{number}"), format!("2001:db8::{number}")];
        let [v4, v6] = &addresses;
        underlay.attach(&netns, &name, &[&format!("{v4}/24"), &format!("{v6}/64")])?;
        let pod = TestPod::new(label, &netns, number, 10)?;
        let state = tempfile::tempdir()?;
        let uid = format!("uid-{name}");
        let mut store = KeyStore::open(&state.path().join("keys"), &uid)?;
        let keys = Arc::new(store.load_or_create(epoch)?);
        let config = MeshExecutorConfig {
            backend,
            state: state.path().to_owned(),
            binary: binary()?,
            nft: PathBuf::from("nft"),
        };
        let worker = Worker::start(&netns, config.clone(), Arc::clone(&keys))?;
        let object = Node {
            name: name.clone(),
            uid,
            created: format!("2026-01-{number:02}T00:00:00Z"),
            labels: Arc::default(),
            pod_cidrs: vec![
                format!("10.244.{number}.0/24").parse()?,
                format!("fd00:10:244:{number}::/64").parse()?,
            ],
            addresses: addresses.iter().map(|address| address.parse()).collect::<Result<_, _>>()?,
        };
        Ok(Self { name, object, pod, worker, netns, keys, executor: config, state, _store: store })
    }

    pub(super) fn publication(&self, epoch: Epoch) -> Result<Publication> {
        let planes = self.keys.published(PerPlane::DEFAULT_PORTS);
        Ok(Publication::new(&self.name, &self.object.uid, epoch, planes, &self.object.addresses)?)
    }

    pub(super) fn pod_object(&self) -> (ObjectName, Pod) {
        let name = ObjectName::new("default", format!("p-{}", self.name));
        let addresses =
            [&self.pod.v4, &self.pod.v6].into_iter().flat_map(|address| address.parse::<IpAddr>());
        let pod = Pod {
            name: name.clone(),
            uid: format!("uid-{name}"),
            labels: Arc::default(),
            node: Some(self.name.clone()),
            addresses: addresses.collect(),
            host_network: false,
            ports: Vec::new(),
        };
        (name, pod)
    }

    /// The mesh of this node.
    ///
    /// # Errors
    /// Those of the compiler; if the kernel cannot be asked for the underlay.
    pub fn compile(
        &self,
        snapshot: &Snapshot,
        epoch: Epoch,
        config: &MeshConfig,
        memory: &Memory,
    ) -> Result<MeshSpec> {
        let wanted = self.object.addresses.clone();
        let underlay =
            self.worker.call(move |executor, runtime| runtime.block_on(executor.underlay(&wanted)))??;
        let keys = LocalKeysView::new(&self.keys, epoch);
        let input =
            MeshInput { snapshot, node: &self.name, keys: &keys, underlay: &underlay, config, memory };
        Ok(compile(&input)?)
    }

    /// Ends the executor and starts another, as when the agent is restarted.
    ///
    /// # Errors
    /// If there can be none.
    pub fn restart_executor(&mut self) -> Result<()> {
        self.worker = Worker::start(&self.netns, self.executor.clone(), Arc::clone(&self.keys))?;
        Ok(())
    }

    /// Where its executor keeps pid files and logs.
    #[must_use]
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// Converges once.
    ///
    /// # Errors
    /// If the present state cannot be observed.
    pub fn converge(&self, spec: MeshSpec) -> Result<Report> {
        self.worker.converge(spec)
    }

    /// Devices that got their programs, in order.
    #[must_use]
    pub fn attached(&self) -> Vec<Attached> {
        self.worker.attached()
    }
}

/// The program under test.
fn binary() -> Result<PathBuf> {
    let binary = std::env::var_os("RINGFENCE_BIN").map(PathBuf::from);
    let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join("ringfence"));
    binary
        .or_else(beside)
        .filter(|path| path.exists())
        .context("no ringfence binary: cargo build -p ringfence, or name one in RINGFENCE_BIN")
}
