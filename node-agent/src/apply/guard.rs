//! Blackholes without anything else of the mesh: what `ringfence guard` makes at boot.
use super::mesh_error::MeshApplyError;
use super::netlink::connect;
use super::route;
use crate::mesh::spec::{RouteSpec, RouteVia};

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
