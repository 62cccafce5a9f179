//! Carrying out single actions.
use super::link;
use super::mesh::{MeshExecutor, MeshExecutorConfig, PrivateKeys};
use super::mesh_error::MeshApplyError;
use super::{address, nat_script, route, rule, sysctl, wireguard};
use crate::mesh::spec::RouteVia;
use crate::plan::mesh::{Action, Backend};
use crate::userspace::{self, SpawnConfig};
use ringfence_keyring::Plane;

impl MeshExecutor {
    pub(super) async fn carry_out(
        &mut self,
        action: &Action,
        keys: &dyn PrivateKeys,
    ) -> Result<(), MeshApplyError> {
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
            Action::ReplaceLock(lock) => self.lock.replace(lock).await,
            Action::ReplaceNat(nat) => self.nat.replace(nat, &nat_script::script(nat)).await,
            Action::ReplaceWords(words) => self.words.replace(words).await,
            Action::SetSysctl { path, value } => sysctl::write(path, value),
            Action::DeleteDevice(plane) => self.delete(*plane).await,
            Action::CreateDevice { plane, mtu } => self.create(*plane, *mtu).await,
            Action::AddAddress(plane, address) => {
                address::add(handle, plane.device(), self.index(*plane)?, *address).await
            }
            Action::DeleteAddress(plane, address) => {
                address::delete(handle, plane.device(), self.index(*plane)?, *address).await
            }
            Action::SetMtu(plane, mtu) => link::set_mtu(handle, plane.device(), *mtu).await,
            Action::AttachPrograms(plane) => self.attach(*plane).await,
            Action::SetKey { plane, public_key, listen_port } => {
                let key = keys.private_key(*plane).filter(|key| key.public() == *public_key);
                let key = key.ok_or(MeshApplyError::Key { plane: *plane })?;
                wireguard::set_key(plane.device(), self.backend, key, *listen_port).await
            }
            Action::ClearKey(plane) => {
                let blank = wireguard::clear_key(plane.device(), self.backend).await?;
                self.blank.insert(blank);
                Ok(())
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

    fn index(&self, plane: Plane) -> Result<u32, MeshApplyError> {
        let index = self.links.get(&plane).map(|link| link.index);
        index.ok_or(()).or_else(|()| gone("find", plane.device()))
    }

    async fn attach(&mut self, plane: Plane) -> Result<(), MeshApplyError> {
        let (name, index) = (plane.device(), self.index(plane)?);
        let attached = self.programs.attach(name, index).await;
        attached.map_err(|source| MeshApplyError::Programs { device: name.to_owned(), source })?;
        self.attached.insert(plane, index);
        Ok(())
    }
}

fn gone<T>(operation: &'static str, name: &str) -> Result<T, MeshApplyError> {
    Err(MeshApplyError::io(operation, name)(std::io::ErrorKind::NotFound.into()))
}

/// The device that an action is about.
pub(super) fn plane_of(action: &Action) -> Option<Plane> {
    match action {
        Action::DeleteDevice(plane)
        | Action::CreateDevice { plane, .. }
        | Action::SetMtu(plane, _)
        | Action::AddAddress(plane, _)
        | Action::DeleteAddress(plane, _)
        | Action::AttachPrograms(plane)
        | Action::SetKey { plane, .. }
        | Action::ClearKey(plane)
        | Action::ChangePeers(plane, _)
        | Action::LinkUp(plane) => Some(*plane),
        Action::SetRoute(route) => match route.via {
            RouteVia::Plane(plane, _) => Some(plane),
            RouteVia::Blackhole => None,
        },
        _ => None,
    }
}
