//! One convergence: observe, plan, carry out.
use super::mesh::{MeshExecutor, PrivateKeys};
use super::mesh_actions::plane_of;
use super::mesh_error::MeshApplyError;
use crate::mesh::spec::{MeshSpec, RouteSpec};
use crate::plan::mesh::{Action, ObservedDevice, ObservedMesh, plan};
use ringfence_keyring::{Plane, PublicKey};
use std::collections::{BTreeMap, BTreeSet};

/// What one convergence did.
#[derive(Debug, Default)]
pub struct Report {
    /// What was done, in order.
    pub done: Vec<Action>,
    /// What failed, or was left out because something before it failed on the same device.
    pub failed: Vec<(Action, Option<MeshApplyError>)>,
    /// Of what failed: routes onto a plane whose destination is sent over no plane, so over no old one either.
    pub unmade: Vec<RouteSpec>,
    /// Bytes that were received from each peer of each device, as observed before anything was done.
    pub received: BTreeMap<(Plane, PublicKey), u64>,
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
    let mut report = Report { received: received(&observed), ..Report::default() };
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
                // Without a route the device still serves all others, and loses the peers that it is to lose.
                broken.extend(plane.filter(|_| !matches!(action, Action::SetRoute(_))));
                if let Action::SetRoute(route) = &action
                    && !observed.leads_onto_mesh(route)
                {
                    report.unmade.push(route.clone());
                }
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

fn received(observed: &ObservedMesh) -> BTreeMap<(Plane, PublicKey), u64> {
    let of_plane = |(plane, device): (&Plane, &ObservedDevice)| {
        let peers = device.control.iter().flat_map(|control| &control.peers);
        peers.map(|(key, peer)| ((*plane, *key), peer.rx_bytes)).collect::<Vec<_>>()
    };
    observed.devices.iter().flat_map(of_plane).collect()
}
