//! Which WireGuard to use, and taking everything away again.
use super::link;
use super::mesh::{BackendChoice, MeshExecutor};
use super::mesh_error::MeshApplyError;
use super::{route, rule};
use crate::plan::mesh::{Backend, DeviceKind};
use ringfence_keyring::Plane;
use rtnetlink::Handle;
use std::collections::BTreeMap;

/// Name of the device that is made to see whether the kernel can.
const PROBE: &str = "rf-probe";

/// The backend for a choice.
pub(super) async fn choose(handle: &Handle, choice: BackendChoice) -> Result<Backend, MeshApplyError> {
    if choice == BackendChoice::Userspace {
        return Ok(Backend::Userspace);
    }
    match (kernel_has_wireguard(handle).await?, choice) {
        (true, _) => Ok(Backend::Kernel),
        (false, BackendChoice::Kernel) => Err(MeshApplyError::NoKernelWireguard),
        (false, _) => Ok(Backend::Userspace),
    }
}

/// Makes a device to find out: that loads the module where it can be loaded.
async fn kernel_has_wireguard(handle: &Handle) -> Result<bool, MeshApplyError> {
    for plane in Plane::ALL {
        if link::find(handle, plane.device()).await?.is_some_and(|link| link.kind == DeviceKind::Kernel) {
            return Ok(true);
        }
    }
    // One that a killed process left.
    link::delete(handle, PROBE).await?;
    let made = link::create_wireguard(handle, PROBE).await?;
    link::delete(handle, PROBE).await?;
    Ok(made)
}

impl MeshExecutor {
    /// Takes everything of the mesh away: devices, processes, routes, rules, NAT, the lock. Forwarding stays on.
    ///
    /// # Errors
    /// The first of what could not be removed; the rest is removed all the same.
    pub async fn remove(&mut self) -> Result<(), MeshApplyError> {
        let mut results = Vec::new();
        for plane in Plane::ALL {
            results.push(self.delete(plane).await);
        }
        match rule::list(&self.handle).await {
            Ok(rules) => {
                for found in rules {
                    results.push(rule::delete(&self.handle, &found).await);
                }
            }
            Err(error) => results.push(Err(error)),
        }
        match route::list(&self.handle, &BTreeMap::new()).await {
            Ok(routes) => {
                for found in routes {
                    results.push(route::delete(&self.handle, &found).await);
                }
            }
            Err(error) => results.push(Err(error)),
        }
        results.push(self.nat.remove().await);
        results.push(self.words.remove().await);
        results.push(self.lock.remove().await);
        results.into_iter().collect()
    }
}
