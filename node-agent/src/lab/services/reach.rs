//! Which backends a connection can end up at.
use super::{Backend, Entry};
use crate::model::{Protocol, TrafficPolicy};
use std::net::{IpAddr, SocketAddr};

/// Backends that a client on node `client` (`None`: from outside) may be sent to when it dials `to`; `node` is the node
/// that has this address, if one has. `None` if it is no Service that is dialled.
///
/// From outside, an external address leads to every node that takes it.
pub fn reached<'a>(
    entries: &'a [Entry],
    client: Option<&str>,
    to: SocketAddr,
    protocol: Protocol,
    node: Option<&str>,
) -> Option<Vec<&'a Backend>> {
    let is = |list: &[IpAddr]| list.contains(&to.ip());
    let by_address = entries.iter().find(|e| {
        e.protocol == protocol && e.port == to.port() && (is(&e.cluster_ips) || is(&e.external_ips))
    });
    if let Some(entry) = by_address {
        let local = is(&entry.cluster_ips) && entry.internal == TrafficPolicy::Local;
        let here = |b: &&Backend| !local || (b.node.as_deref() == client && client.is_some());
        return Some(entry.backends.iter().filter(here).collect());
    }
    let node = node?;
    let entry = entries
        .iter()
        .find(|e| e.protocol == protocol && e.node_port == Some(to.port()) && e.ipv4 == to.is_ipv4())?;
    // Translated at the client's own node, where it is a pod's or the node's own; elsewhere at the one dialled.
    let local = entry.external == TrafficPolicy::Local && client != Some(node);
    Some(entry.backends.iter().filter(|b| !local || b.node.as_deref() == Some(node)).collect())
}
