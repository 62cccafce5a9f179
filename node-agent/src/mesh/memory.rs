//! What the mesh remembers of nodes: who had what first, and what Node objects had that are gone.
//!
//! A Node object may be deleted while its machine runs on. What pods send to its addresses and pod CIDRs then has no way over the
//! mesh any more, and must not find another. So it stays closed, but not for ever: addresses are given to others, who may be no
//! nodes.
use super::spec::MeshSpec;
use crate::desired::Snapshot;
use crate::model::Node;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Handed from one compilation to the next, and across restarts of the agent.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    /// What was found to be whose, by name of the node.
    pub known: BTreeMap<String, Known>,
    /// What Node objects had that are gone.
    pub departed: Vec<Departed>,
}

/// What was found to be a node's.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Known {
    /// UID of its Node object: another object of the name is another node.
    pub uid: String,
    /// Whether it has a part in the mesh.
    pub member: bool,
    /// Pod CIDRs, without host bits.
    pub pod_cidrs: BTreeSet<IpNetwork>,
    /// Addresses, in the order in which its object names them.
    pub addresses: Vec<IpAddr>,
}

/// What a Node object had that is gone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Departed {
    /// Its name.
    pub node: String,
    /// What it had.
    pub had: Known,
    /// Since when, seconds since 1970; of late if pods still are where it was.
    pub since: u64,
}

impl Memory {
    /// What is known of the node whose object this is.
    pub(super) fn of(&self, node: &Node) -> Option<&Known> {
        self.known.get(&node.name).filter(|known| known.uid == node.uid)
    }

    /// Takes in which Node objects have gone and which are back. What is gone for `hold` seconds is forgotten; the time begins
    /// anew as long as the source has pods on a node of the name, and there is none. `now`: seconds since 1970, by a
    /// clock that may be set back.
    pub fn follow(&mut self, snapshot: &Snapshot, now: u64, hold: u64) {
        let lives =
            |name: &str, known: &Known| snapshot.nodes.get(name).is_some_and(|node| node.uid == known.uid);
        let (live, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.known).into_iter().partition(|(name, known)| lives(name, known));
        self.known = live;
        let (back, mut departed): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.departed).into_iter().partition(|d| lives(&d.node, &d.had));
        for Departed { node, had, .. } in back {
            self.known.entry(node).or_insert(had);
        }
        departed.extend(gone.into_iter().map(|(node, had)| Departed { node, had, since: now }));
        for one in &mut departed {
            one.since = one.since.min(now);
            // Seldom, for each change is written to disk.
            if (now - one.since).saturating_mul(2) >= hold && has_pods(snapshot, &one.node) {
                one.since = now;
            }
        }
        departed.retain(|one| now - one.since < hold);
        self.departed = departed;
    }

    /// Takes in what a compilation found to be whose.
    pub fn learn(&mut self, spec: &MeshSpec) {
        if self.known != spec.known {
            self.known.clone_from(&spec.known);
        }
    }

    /// Pod CIDRs of Node objects that are gone.
    pub fn departed_cidrs(&self) -> impl Iterator<Item = IpNetwork> + '_ {
        self.departed.iter().flat_map(|one| one.had.pod_cidrs.iter().copied())
    }
}

/// Whether there are pods on a node of a name that no Node object has.
fn has_pods(snapshot: &Snapshot, node: &str) -> bool {
    let there = |pod: &std::sync::Arc<crate::model::Pod>| pod.node.as_deref() == Some(node);
    !snapshot.nodes.contains_key(node) && snapshot.pods.values().any(there)
}
