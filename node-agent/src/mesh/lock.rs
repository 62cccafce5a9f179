//! What must not leave but by the mesh.
use super::spec::LockSpec;
use crate::model::Node;
use ipnetwork::IpNetwork;
use std::collections::BTreeSet;

/// The lock of a node with these pod CIDRs of its own. `others` are all other Node objects, believed or not.
pub(super) fn lock(
    own: &Node,
    others: &[&Node],
    local: &BTreeSet<IpNetwork>,
    cluster: &BTreeSet<IpNetwork>,
) -> LockSpec {
    let foreign = others.iter().flat_map(|node| &node.addresses);
    LockSpec {
        cluster: cluster.clone(),
        local: local.clone(),
        nodes: foreign.filter(|address| !own.addresses.contains(address)).copied().collect(),
    }
}
