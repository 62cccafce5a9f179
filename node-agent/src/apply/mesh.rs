//! The executor of the mesh: observes, plans, and carries the plan out in the network namespace of its process.
pub use super::converge::{Report, converge};
use super::link::{self, Link};
use super::lock::Lock;
pub use super::mesh_error::MeshApplyError;
use super::nat_script;
use super::netlink::connect;
use super::nft::Table;
use super::observe::{self, Peers};
use super::words::Words;
use super::{address, route, rule, sysctl};
use crate::mesh::UnderlayFacts;
use crate::mesh::spec::{MeshSpec, NatSpec};
use crate::plan::mesh::{Backend, ObservedDevice, ObservedMesh};
use crate::userspace;
use futures::future::BoxFuture;
use ringfence_keyring::{PerPlane, Plane, PlaneKey, PlaneKeys, PrivateKey, PublicKey};
use rtnetlink::Handle;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Which WireGuard is asked for.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum BackendChoice {
    /// The kernel's if it has one, else the embedded one
    #[default]
    Auto,
    /// The kernel's
    Kernel,
    /// The embedded one, on a TUN device
    Userspace,
}

/// What an executor works with.
#[derive(Clone, Debug)]
pub struct MeshExecutorConfig {
    /// Which WireGuard.
    pub backend: BackendChoice,
    /// Directory for pid files and logs of userspace WireGuards.
    pub state: PathBuf,
    /// The program with the `wireguard-userspace` subcommand, as a rule our own (`/proc/self/exe`).
    pub binary: PathBuf,
    /// The `nft` program.
    pub nft: PathBuf,
}

/// Where private keys come from.
pub trait PrivateKeys: Send + Sync {
    /// The key of a plane, if there is one.
    fn private_key(&self, plane: Plane) -> Option<&PrivateKey>;
}

impl PrivateKeys for PlaneKeys {
    fn private_key(&self, plane: Plane) -> Option<&PrivateKey> {
        Some(self.get(plane).private())
    }
}

impl PrivateKeys for PerPlane<Option<PlaneKey>> {
    fn private_key(&self, plane: Plane) -> Option<&PrivateKey> {
        self.get(plane).as_ref().map(PlaneKey::private)
    }
}

/// Puts the eBPF programs onto a WireGuard device.
pub trait Programs: Send + Sync {
    /// Attaches all programs of a WireGuard device to the device `name` with interface index `index`. Called for every
    /// device that this process has not seen yet, so also when they are there already.
    fn attach<'a>(
        &'a self,
        name: &'a str,
        index: u32,
    ) -> BoxFuture<'a, Result<(), Box<dyn std::error::Error + Send + Sync>>>;
}

/// Carries plans out.
pub struct MeshExecutor {
    pub(super) config: MeshExecutorConfig,
    pub(super) handle: Handle,
    pub(super) backend: Backend,
    pub(super) lock: Lock,
    pub(super) nat: Table<NatSpec>,
    pub(super) words: Words,
    pub(super) programs: Arc<dyn Programs>,
    /// Index of the device that has its programs, by plane.
    pub(super) attached: BTreeMap<Plane, u32>,
    pub(super) links: BTreeMap<Plane, Link>,
    /// Keys that were put onto devices only so that they have no other.
    pub(super) blank: BTreeSet<PublicKey>,
    pub(super) peers: Peers,
}

impl MeshExecutor {
    /// An executor for the network namespace of the calling thread.
    ///
    /// # Errors
    /// Without a netlink socket; [`MeshApplyError::NoKernelWireguard`] if the kernel's WireGuard is asked for and there
    /// is none.
    pub async fn new(
        config: MeshExecutorConfig,
        programs: Arc<dyn Programs>,
    ) -> Result<Self, MeshApplyError> {
        let handle = connect().map_err(MeshApplyError::io("open", "a netlink socket"))?;
        let backend = super::mesh_backend::choose(&handle, config.backend).await?;
        let lock = Lock::new(config.nft.clone());
        let nat = Table::new(config.nft.clone(), nat_script::TABLE);
        let words = Words::new(config.nft.clone());
        let (attached, links, peers) = (BTreeMap::new(), BTreeMap::new(), Peers::default());
        let blank = BTreeSet::new();
        Ok(Self { config, handle, backend, lock, nat, words, programs, attached, links, blank, peers })
    }

    /// Which WireGuard is used.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Those of `wanted` that this machine has, in the same order, with the MTU of the device that bears them.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub async fn underlay(&self, wanted: &[IpAddr]) -> Result<UnderlayFacts, MeshApplyError> {
        observe::underlay(&self.handle, wanted).await
    }

    /// Packets that WireGuard on a plane refused because their source is none of the peer's AllowedIPs (P2), since the
    /// device was made.
    ///
    /// # Errors
    /// When there is no device, or it does not answer.
    pub async fn refused_packets(&self, plane: Plane) -> Result<u64, MeshApplyError> {
        let name = plane.device();
        let failed = MeshApplyError::io("count what is refused on", name);
        match self.backend {
            Backend::Userspace => userspace::refused_packets(name).map_err(failed),
            Backend::Kernel => match link::find(&self.handle, name).await? {
                Some(link) => Ok(link.frame_errors),
                None => Err(failed(std::io::ErrorKind::NotFound.into())),
            },
        }
    }

    /// Packets that would have left in the clear and were dropped because of the device they were to leave by, since the
    /// lock was made.
    ///
    /// # Errors
    /// When nft cannot be asked.
    pub async fn locked_packets(&self) -> Result<u64, MeshApplyError> {
        self.lock.caught().await
    }

    /// Packets to agents' sockets that the kernel dropped since the table was made: off the mesh from addresses that are no
    /// node's, and to other nodes from processes that are not root's.
    ///
    /// # Errors
    /// When nft cannot be asked.
    pub async fn dropped_words(&self) -> Result<(u64, u64), MeshApplyError> {
        self.words.dropped().await
    }

    /// What there is now of what `spec` asks for.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub async fn observe(&mut self, spec: &MeshSpec) -> Result<ObservedMesh, MeshApplyError> {
        self.links = observe::links(&self.handle).await?;
        self.attached.retain(|plane, index| self.links.get(plane).is_some_and(|link| link.index == *index));
        let planes = self.links.iter().map(|(plane, link)| (link.index, *plane)).collect();
        let mut observed = ObservedMesh {
            routes: route::list(&self.handle, &planes).await?,
            rules: rule::list(&self.handle).await?,
            sysctls: sysctl::read(spec.sysctls.keys()),
            lock: self.lock.observe().await?,
            nat: self.nat.observe().await?,
            words: self.words.observe().await?,
            devices: BTreeMap::new(),
        };
        let mut addresses = address::list(&self.handle).await?;
        for (plane, link) in &self.links {
            let mut control = observe::control(*plane, link, self.backend).await;
            if let Some(control) = &mut control {
                control.public_key = control.public_key.filter(|key| !self.blank.contains(key));
                self.peers.complete(*plane, &mut control.peers);
            }
            let Link { kind, up, mtu, .. } = link.clone();
            let programs = self.attached.contains_key(plane);
            let addresses = addresses.remove(&link.index).unwrap_or_default();
            observed.devices.insert(*plane, ObservedDevice { kind, up, mtu, addresses, programs, control });
        }
        Ok(observed)
    }
}
