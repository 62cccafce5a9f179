//! The executor of the mesh: observes, plans, and carries the plan out in the network namespace of its process.
use super::link::{self, Link};
pub use super::mesh_error::MeshApplyError;
use super::nat::Nat;
use super::netlink::connect;
use super::observe::{self, Peers};
use super::{route, rule, sysctl, wireguard};
use crate::mesh::UnderlayFacts;
use crate::mesh::spec::{MeshSpec, RouteVia};
use crate::plan::mesh::{Action, Backend, ObservedDevice, ObservedMesh, plan};
use crate::userspace::{self, SpawnConfig};
use futures::future::BoxFuture;
use ringfence_keyring::{Plane, PlaneKeys, PrivateKey};
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
    pub(super) nat: Nat,
    programs: Arc<dyn Programs>,
    /// Index of the device that has its programs, by plane.
    attached: BTreeMap<Plane, u32>,
    links: BTreeMap<Plane, Link>,
    peers: Peers,
}

/// What one convergence did.
#[derive(Debug, Default)]
pub struct Report {
    /// What was done, in order.
    pub done: Vec<Action>,
    /// What failed, or was left out because something before it failed on the same device.
    pub failed: Vec<(Action, Option<MeshApplyError>)>,
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
        let nat = Nat::new(config.nft.clone());
        let (attached, links, peers) = (BTreeMap::new(), BTreeMap::new(), Peers::default());
        Ok(Self { config, handle, backend, nat, programs, attached, links, peers })
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
            nat: self.nat.observe().await?,
            devices: BTreeMap::new(),
        };
        for (plane, link) in &self.links {
            let mut control = observe::control(*plane, link, self.backend).await;
            if let Some(control) = &mut control {
                self.peers.complete(*plane, &mut control.peers);
            }
            let Link { kind, up, mtu, .. } = link.clone();
            let programs = self.attached.contains_key(plane);
            observed.devices.insert(*plane, ObservedDevice { kind, up, mtu, programs, control });
        }
        Ok(observed)
    }

    async fn carry_out(&mut self, action: &Action, keys: &dyn PrivateKeys) -> Result<(), MeshApplyError> {
        let handle = &self.handle;
        match action {
            Action::SetRoute(spec) => {
                let index = match spec.via {
                    RouteVia::Plane(plane, _) => self.links.get(&plane).map(|link| link.index),
                    RouteVia::Blackhole => None,
                };
                route::set(handle, spec, index).await
            }
            Action::DeleteRoute(route) => route::delete(handle, route).await,
            Action::AddRule(rule) => rule::add(handle, rule).await,
            Action::DeleteRule(rule) => rule::delete(handle, rule).await,
            Action::ReplaceNat(nat) => self.nat.replace(nat).await,
            Action::SetSysctl { path, value } => sysctl::write(path, value),
            Action::DeleteDevice(plane) => self.delete(*plane).await,
            Action::CreateDevice { plane, mtu } => self.create(*plane, *mtu).await,
            Action::SetMtu(plane, mtu) => link::set_mtu(handle, plane.device(), *mtu).await,
            Action::AttachPrograms(plane) => self.attach(*plane).await,
            Action::SetKey { plane, public_key, listen_port } => {
                let key = keys.private_key(*plane).filter(|key| key.public() == *public_key);
                let key = key.ok_or(MeshApplyError::Key { plane: *plane })?;
                wireguard::set_key(plane.device(), self.backend, key, *listen_port).await
            }
            Action::ChangePeers(plane, changes) => {
                wireguard::change_peers(plane.device(), self.backend, changes).await
            }
            Action::LinkUp(plane) => link::up(handle, plane.device()).await,
        }
    }

    /// Removes a device and what is behind it.
    pub(super) async fn delete(&mut self, plane: Plane) -> Result<(), MeshApplyError> {
        self.links.remove(&plane);
        self.attached.remove(&plane);
        userspace::stop(&self.config.state, plane.device()).await?;
        link::delete(&self.handle, plane.device()).await
    }

    async fn create(&mut self, plane: Plane, mtu: u32) -> Result<(), MeshApplyError> {
        let name = plane.device();
        match self.backend {
            Backend::Kernel => {
                if !link::create_wireguard(&self.handle, name).await? {
                    return Err(MeshApplyError::NoKernelWireguard);
                }
                link::set_mtu(&self.handle, name, mtu).await?;
            }
            Backend::Userspace => {
                let MeshExecutorConfig { binary, state, .. } = self.config.clone();
                // One that answers though its device is gone, or not this one, is of no use.
                userspace::stop(&state, name).await?;
                userspace::ensure_running(&SpawnConfig { binary, state, name: name.to_owned(), mtu }).await?;
            }
        }
        let link = link::find(&self.handle, name).await?;
        self.links.insert(plane, link.ok_or(()).or_else(|()| gone("make", name))?);
        Ok(())
    }

    async fn attach(&mut self, plane: Plane) -> Result<(), MeshApplyError> {
        let name = plane.device();
        let Some(link) = self.links.get(&plane) else { return gone("attach programs to", name) };
        let index = link.index;
        let attached = self.programs.attach(name, index).await;
        attached.map_err(|source| MeshApplyError::Programs { device: name.to_owned(), source })?;
        self.attached.insert(plane, index);
        Ok(())
    }
}

fn gone<T>(operation: &'static str, name: &str) -> Result<T, MeshApplyError> {
    Err(MeshApplyError::io(operation, name)(std::io::ErrorKind::NotFound.into()))
}

/// Brings the node into the desired state, as far as it can: what fails is reported and does not keep the rest from
/// being done, save on the same device.
///
/// # Errors
/// When the present state cannot be observed.
pub async fn converge(
    executor: &mut MeshExecutor,
    spec: &MeshSpec,
    keys: &dyn PrivateKeys,
) -> Result<Report, MeshApplyError> {
    let observed = executor.observe(spec).await?;
    let mut report = Report::default();
    let mut broken = BTreeSet::new();
    for action in plan(&observed, spec, executor.backend) {
        let plane = plane_of(&action);
        if plane.is_some_and(|plane| broken.contains(&plane)) {
            report.failed.push((action, None));
            continue;
        }
        match executor.carry_out(&action, keys).await {
            Ok(()) => report.done.push(action),
            Err(error) => {
                broken.extend(plane);
                report.failed.push((action, Some(error)));
            }
        }
    }
    for (plane, device) in spec.devices.iter().filter(|(plane, _)| !broken.contains(*plane)) {
        for (key, peer) in &device.peers {
            executor.peers.publish(*plane, *key, peer.endpoint);
        }
    }
    Ok(report)
}

/// The device that an action is about.
fn plane_of(action: &Action) -> Option<Plane> {
    match action {
        Action::DeleteDevice(plane)
        | Action::CreateDevice { plane, .. }
        | Action::SetMtu(plane, _)
        | Action::AttachPrograms(plane)
        | Action::SetKey { plane, .. }
        | Action::ChangePeers(plane, _)
        | Action::LinkUp(plane) => Some(*plane),
        Action::SetRoute(route) => match route.via {
            RouteVia::Plane(plane, _) => Some(plane),
            RouteVia::Blackhole => None,
        },
        _ => None,
    }
}
