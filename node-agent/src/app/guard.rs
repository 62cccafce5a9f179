//! Between boot and the agent's first breath: nothing to a pod of the cluster may leave in the clear. The agent notes the
//! cluster's pod CIDRs on disk; `ringfence guard`, run early at boot, makes blackhole routes of them, the same that the
//! agent keeps behind its routes onto the mesh, and locks them against routes of others that lead elsewhere.
#[cfg(test)]
mod tests;

use crate::apply::guard::{set_blackholes, set_lock};
use crate::apply::mesh::MeshApplyError;
use crate::disk;
use crate::mesh::spec::{LockSpec, MAIN_TABLE, MeshSpec, POD_TABLE, RouteSpec, RouteVia};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Name of the file in the state directory.
const FILE: &str = "guard.json";

/// What is kept.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Guard {
    blackholes: BTreeSet<Blackhole>,
    /// Absent where an older agent wrote.
    #[serde(default)]
    lock: LockSpec,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
struct Blackhole {
    table: u32,
    destination: IpNetwork,
    metric: u32,
}

/// Why the guard does not stand.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The file cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A route or the lock could not be made.
    #[error(transparent)]
    Apply(#[from] MeshApplyError),
}

/// Notes the blackholes and the lock of `mesh`, if they are others than those noted.
///
/// # Errors
/// [`GuardError::File`].
pub(super) fn note(state_dir: &Path, mesh: &MeshSpec) -> Result<(), GuardError> {
    let blackholes = mesh.routes.iter().filter(|route| route.via == RouteVia::Blackhole);
    let guard = Guard {
        blackholes: blackholes
            .map(|r| Blackhole { table: r.table, destination: r.destination, metric: r.metric })
            .collect(),
        lock: mesh.lock.clone(),
    };
    let path = state_dir.join(FILE);
    if read(&path).is_ok_and(|noted| noted == guard) {
        return Ok(());
    }
    let text = serde_json::to_vec_pretty(&guard).map_err(io::Error::from);
    let written = text.and_then(|text| disk::replace(&path, 0o644, &text));
    written.map_err(|source| GuardError::File { path: path.clone(), source })
}

/// What was held closed: addresses of nodes, and pod CIDRs but for this node's own.
///
/// # Errors
/// [`GuardError::File`].
pub(super) fn closed(state_dir: &Path) -> Result<(BTreeSet<IpAddr>, BTreeSet<IpNetwork>), GuardError> {
    let path = state_dir.join(FILE);
    let Guard { blackholes, lock } = read(&path).map_err(|source| GuardError::File { path, source })?;
    let holes = |table| {
        let of_table = blackholes.iter().filter(move |hole| hole.table == table);
        of_table.map(|hole| hole.destination)
    };
    let hosts = holes(POD_TABLE).filter(|hole| *hole == IpNetwork::from(hole.ip())).map(|host| host.ip());
    let addresses = hosts.chain(lock.nodes.iter().copied()).collect();
    let cidrs = holes(MAIN_TABLE).chain(lock.cluster.iter().copied());
    Ok((addresses, cidrs.filter(|cidr| !lock.local.contains(cidr)).collect()))
}

/// Makes the routes and the lock that were noted; a node that never had an agent needs none. Returns how many routes there
/// are. They come first, so they stand even where there is no `nft` program.
///
/// # Errors
/// [`GuardError`].
pub async fn install(state_dir: &Path) -> Result<usize, GuardError> {
    let path = state_dir.join(FILE);
    let failed = |source| GuardError::File { path: path.clone(), source };
    let guard = match read(&path) {
        Ok(guard) => guard,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(failed(e)),
    };
    let route = |hole: &Blackhole| {
        let Blackhole { table, destination, metric } = *hole;
        RouteSpec { table, destination, metric, via: RouteVia::Blackhole }
    };
    let routes: Vec<RouteSpec> = guard.blackholes.iter().map(route).collect();
    set_blackholes(&routes).await?;
    set_lock(PathBuf::from("nft"), &guard.lock).await?;
    Ok(guard.blackholes.len())
}

/// Forgets what was noted, so that a later boot makes nothing of it.
///
/// # Errors
/// [`GuardError::File`].
pub fn forget(state_dir: &Path) -> Result<(), GuardError> {
    let path = state_dir.join(FILE);
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(GuardError::File { path, source }),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> io::Result<Guard> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}
