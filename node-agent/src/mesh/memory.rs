//! What the mesh remembers of nodes: who had what first, and what Node objects had that are gone or no longer name it.
//!
//! A Node object may be deleted while its machine runs on, or lose an address that its machine keeps. What pods send there then has
//! no way over the mesh any more, and must not find another: neither in the clear, nor to a node that had named the address before,
//! waiting for that. So it stays closed, but not for ever: addresses are given to others, who may be no nodes.
use super::spec::MeshSpec;
use crate::desired::Snapshot;
use crate::model::Node;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// In how many parts the time for which something stays closed is counted: this often it is asked where pods are, and noted how
/// much of the time has passed.
pub const PARTS: u64 = 16;
/// How many departures, and how many addresses in all, are kept of one name: a node that says ever new addresses of itself fills no
/// other's memory.
const OF_ONE_NAME: (usize, usize) = (64, 256);

/// Handed from one compilation to the next, and across restarts of the agent.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    /// What was found to be whose, by name of the node.
    pub known: BTreeMap<String, Known>,
    /// What Node objects had that are gone or no longer name it, the latest last.
    pub departed: Vec<Departed>,
    /// Seconds since it was asked where pods are.
    #[serde(skip)]
    unasked: u64,
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

/// What a Node object had that is gone, or no longer names it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Departed {
    /// Its name; empty: nobody knows any more.
    pub node: String,
    /// What it had.
    pub had: Known,
    /// Seconds since then in which an agent ran, by a clock that does not jump; less if pods still were where it was.
    #[serde(default)]
    pub age: u64,
    /// When the youngest of the Node objects was made that were there then, RFC 3339: whoever is younger came afterwards. `None`:
    /// not known.
    #[serde(default)]
    pub youngest: Option<String>,
}

impl Departed {
    /// Whether a node may have what was this one's: it has the same name, or its object was made afterwards. Who was there before
    /// may have named it all along, for that it be free.
    pub(super) fn leaves_to(&self, node: &Node) -> bool {
        let later = || self.youngest.as_ref().is_some_and(|youngest| node.created > *youngest);
        self.node.is_empty() || self.node == node.name || later()
    }
}

impl Memory {
    /// What is remembered where it is not known any more who had what: all of this was closed, or a living node's.
    #[must_use]
    pub fn of_nobody(addresses: BTreeSet<IpAddr>, pod_cidrs: BTreeSet<IpNetwork>) -> Self {
        let had = Known { addresses: addresses.into_iter().collect(), pod_cidrs, ..Known::default() };
        Self { departed: vec![Departed { had, ..Departed::default() }], ..Self::default() }
    }

    /// What is known of the node whose object this is.
    pub(super) fn of(&self, node: &Node) -> Option<&Known> {
        self.known.get(&node.name).filter(|known| known.uid == node.uid)
    }

    /// Takes in which Node objects have gone, which no longer name what was theirs, and which do so again; `passed`: seconds since
    /// this was last done. What is gone for `hold` seconds is forgotten; the time begins anew as long as the source has pods on a
    /// node of the name, and there is none.
    pub fn follow(&mut self, snapshot: &Snapshot, passed: u64, hold: u64) {
        for one in &mut self.departed {
            one.age = one.age.saturating_add(passed);
        }
        self.take_leave(snapshot);
        self.take_back(snapshot);
        self.unasked = self.unasked.saturating_add(passed);
        // All pods are gone through for that: seldom, and never forgotten without.
        let ends = self.departed.iter().any(|one| one.age >= hold);
        if !self.departed.is_empty() && (ends || self.unasked >= (hold / PARTS).max(1)) {
            self.unasked = 0;
            let pods: BTreeSet<&str> = snapshot.pods.values().filter_map(|pod| pod.node.as_deref()).collect();
            for one in &mut self.departed {
                if pods.contains(&*one.node) && !snapshot.nodes.contains_key(&one.node) {
                    one.age = 0;
                }
            }
        }
        self.departed.retain(|one| one.age < hold);
    }

    /// What departed of objects that name it again, or are back.
    fn take_back(&mut self, snapshot: &Snapshot) {
        for one in &mut self.departed {
            let Some(node) = object(snapshot, &one.node, &one.had) else { continue };
            let named: BTreeSet<IpAddr> = node.addresses.iter().copied().collect();
            let (back, gone) = one.had.addresses.drain(..).partition(|address| named.contains(address));
            let had = Known { addresses: gone, pod_cidrs: BTreeSet::new(), ..one.had.clone() };
            let back = Known { addresses: back, ..std::mem::replace(&mut one.had, had) };
            match self.known.get_mut(&one.node) {
                Some(known) => known.addresses.extend(back.addresses),
                None => _ = self.known.insert(one.node.clone(), back),
            }
        }
        self.drop_empty();
    }

    /// What is known of objects that are gone, or do not name it any more.
    fn take_leave(&mut self, snapshot: &Snapshot) {
        let mut left = Vec::new();
        self.known.retain(|name, known| {
            let Some(node) = object(snapshot, name, known) else {
                left.push((name.clone(), std::mem::take(known)));
                return false;
            };
            if known.addresses != node.addresses {
                let named: BTreeSet<IpAddr> = node.addresses.iter().copied().collect();
                let (kept, lost): (Vec<_>, Vec<_>) =
                    known.addresses.drain(..).partition(|address| named.contains(address));
                known.addresses = kept;
                if !lost.is_empty() {
                    let lost = Known { addresses: lost, pod_cidrs: BTreeSet::new(), ..known.clone() };
                    left.push((name.clone(), lost));
                }
            }
            true
        });
        if left.is_empty() {
            return;
        }
        let youngest = snapshot.nodes.values().map(|node| node.created.clone()).max();
        self.departed.extend(left.into_iter().map(|(node, had)| Departed {
            node,
            had,
            age: 0,
            youngest: youngest.clone(),
        }));
        self.drop_empty();
        self.bound();
    }

    /// Takes in what a compilation found to be whose. What is somebody's again is so no longer of who had it before.
    pub fn learn(&mut self, spec: &MeshSpec) {
        if self.known != spec.known {
            self.known.clone_from(&spec.known);
        }
        if !self.departed.is_empty() {
            let taken: BTreeSet<&IpAddr> = self.known.values().flat_map(|known| &known.addresses).collect();
            self.departed.iter_mut().for_each(|one| one.had.addresses.retain(|a| !taken.contains(a)));
            self.drop_empty();
        }
    }

    /// Whether an agent that knows `noted` instead knows as much, but for less than a part of the time that has passed.
    pub fn is_noted_by(&self, noted: &Self, hold: u64) -> bool {
        let same = |(ours, theirs): (&Departed, &Departed)| {
            let theirs = Departed { age: ours.age, ..theirs.clone() };
            *ours == theirs
        };
        let soon =
            |(ours, theirs): (&Departed, &Departed)| ours.age.abs_diff(theirs.age) < (hold / PARTS).max(1);
        let both = || self.departed.iter().zip(&noted.departed);
        self.known == noted.known
            && self.departed.len() == noted.departed.len()
            && both().all(same)
            && both().all(soon)
    }

    /// Pod CIDRs of Node objects that are gone.
    pub fn departed_cidrs(&self) -> impl Iterator<Item = IpNetwork> + '_ {
        self.departed.iter().flat_map(|one| one.had.pod_cidrs.iter().copied())
    }

    fn drop_empty(&mut self) {
        self.departed.retain(|one| !one.had.addresses.is_empty() || !one.had.pod_cidrs.is_empty());
    }

    /// Keeps the latest of each name.
    fn bound(&mut self) {
        let mut kept: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for one in self.departed.iter_mut().rev() {
            let (departures, addresses) = kept.entry(one.node.clone()).or_default();
            *departures += 1;
            let room = OF_ONE_NAME.1.saturating_sub(*addresses);
            one.had.addresses.truncate(if *departures > OF_ONE_NAME.0 { 0 } else { room });
            *addresses += one.had.addresses.len();
            if *departures > OF_ONE_NAME.0 {
                one.had.pod_cidrs.clear();
            }
        }
        self.drop_empty();
    }
}

/// The object that had this, if it is there.
fn object<'a>(snapshot: &'a Snapshot, name: &str, had: &Known) -> Option<&'a Node> {
    snapshot.nodes.get(name).map(std::sync::Arc::as_ref).filter(|node| node.uid == had.uid)
}
