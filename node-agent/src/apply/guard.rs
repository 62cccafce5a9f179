//! Blackholes and the lock without anything else of the mesh: what `ringfence guard` makes at boot.
use super::lock::Lock;
use super::mesh_error::MeshApplyError;
use super::netlink::connect;
use super::route;
use crate::mesh::spec::{LockSpec, RouteSpec, RouteVia};
use std::path::PathBuf;

/// Makes these routes as blackholes, whatever they lead to.
///
/// # Errors
/// [`MeshApplyError`], naming the route.
pub async fn set_blackholes(routes: &[RouteSpec]) -> Result<(), MeshApplyError> {
    let handle = connect().map_err(MeshApplyError::io("open", "a netlink socket"))?;
    for spec in routes {
        route::set(&handle, &RouteSpec { via: RouteVia::Blackhole, ..spec.clone() }, None).await?;
    }
    Ok(())
}

/// Locks what `lock` says by the `nft` program of this name.
///
/// # Errors
/// [`MeshApplyError::Nft`].
pub async fn set_lock(nft: PathBuf, lock: &LockSpec) -> Result<(), MeshApplyError> {
    Lock::new(nft).replace(lock).await
}
