//! Our datapath in the middle of a rig.

use std::path::Path;

use anyhow::Result;
use ringfence::apply::bpf::{Device, Role};
use ringfence::model::ObjectName;
use ringfence::policy::tables::{LocalEndpoint, LocalView};

use super::cluster::{Cluster, HERE};
use super::ours::Ours;
use super::rig::{A, B, GATEWAY, Rig, VETHS};

/// Enforces the cluster's policies on a rig: B is a pod of this node, and so is A, unless it comes by a device that is no
/// pod's.
///
/// # Errors
/// The executor's.
pub(crate) fn attach(rig: &Rig, cluster: &Cluster, pins: &Path, a: Role, flows: u32) -> Result<Ours> {
    let [to_a, to_b] = VETHS;
    let (at_a, at_b) = (rig.router.ifindex(to_a)?, rig.router.ifindex(to_b)?);
    let mut endpoints = vec![endpoint(2, at_b, "b", B.into())];
    if a == Role::Pod {
        endpoints.push(endpoint(1, at_a, "a", A.into()));
    }
    let local =
        LocalView { node: HERE.into(), addresses: vec![GATEWAY.into()], endpoints, ..LocalView::default() };
    let mut ours = Ours::new(&rig.router, pins, flows)?;
    ours.enforce(&cluster.snapshot(1), &local)?;
    ours.somebody_is_isolated()?;
    ours.attach(&[
        Device { ifindex: at_a, name: to_a.into(), role: a },
        Device { ifindex: at_b, name: to_b.into(), role: Role::Pod },
    ])?;
    Ok(ours)
}

fn endpoint(id: u32, ifindex: u32, name: &str, address: std::net::IpAddr) -> LocalEndpoint {
    let pod = ObjectName::new("bench", name);
    LocalEndpoint { id, ifindex, pod, uid: None, addresses: vec![address], closing: false }
}
