//! What came in and was not believed, counted by the node whose address it bore.
use super::message::Unread;
use ringfence_keyring::Plane;
use ringfence_keyring::pair::Untrue;
use ringfence_keyring::rotation::NodeName;
use std::collections::BTreeMap;

/// Packets to the agents' port that were not listened to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Refused {
    /// From addresses that are no node's.
    pub strangers: u64,
    /// From nodes' addresses.
    pub nodes: BTreeMap<NodeName, RefusedOf>,
}

/// Those from one node's address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RefusedOf {
    /// They name the keys of the two nodes, and were made by somebody who does not have them.
    pub forged: u64,
    /// They name other keys: sent just before keys changed, or by somebody who knows nothing.
    pub other_keys: u64,
    /// They are no messages of this version.
    pub formless: u64,
}

impl Refused {
    /// Counts one that bore a node's address. It is logged when its count doubles: whoever sends many fills no log.
    pub(super) fn count(&mut self, node: &NodeName, plane: Plane, why: Unread) {
        let of = self.nodes.entry(node.clone()).or_default();
        let count = match why {
            Unread::Untrue(Untrue::Forged) => &mut of.forged,
            Unread::Untrue(Untrue::OtherKeys) => &mut of.other_keys,
            Unread::Form => &mut of.formless,
        };
        *count += 1;
        if count.is_power_of_two() {
            tracing::warn!(%node, %plane, %why, count, "somebody speaks as this node's agent and is not believed");
        }
    }
}
