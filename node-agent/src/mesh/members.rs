//! Which nodes are believed.
//!
//! A WireGuard device gives an AllowedIP to one peer only and the last one to claim it takes it, so two nodes that
//! claim one address must be told apart before: else a node could draw another's pods to itself (P2).
use super::claims::{Addresses, Claims, in_order, of_nodes, of_pods, pod_cidrs};
use super::input::MeshInput;
use super::memory::Known;
use super::net::host;
use crate::desired::Snapshot;
use crate::model::{Node, ObjectName, Problem};
use crate::watch::Kind;
use ipnetwork::IpNetwork;
use ringfence_keyring::{PublicKey, Publication};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// The nodes, judged.
#[derive(Default)]
pub(super) struct Members<'a> {
    /// Believed, other than this node.
    pub(super) accepted: BTreeMap<&'a str, Member<'a>>,
    /// Not believed, with the reason.
    pub(super) refused: BTreeMap<String, Refusal>,
    /// Pod CIDRs of refused nodes that nobody else has: they are to be dropped, never sent in the clear.
    pub(super) orphaned: BTreeMap<&'a str, BTreeSet<IpNetwork>>,
    /// Addresses of all nodes but this one, believed or not.
    pub(super) addresses: Addresses<'a>,
    /// Addresses that Node objects had which are gone or no longer name them, and nobody has now.
    pub(super) departed: BTreeSet<IpAddr>,
}

/// Why a node is not believed: which field of which of its objects, and what is the matter with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    pub(super) kind: Kind,
    pub(super) field: &'static str,
    pub(super) reason: String,
}

impl Refusal {
    /// As `status` shows it.
    fn problem(&self, node: &str, snapshot: &Snapshot) -> Problem {
        let message = format!("{}; until then node {node} has no part in the mesh", self.reason);
        problem(snapshot, self.kind, node, self.field, message)
    }
}

fn problem(snapshot: &Snapshot, kind: Kind, node: &str, field: &str, message: String) -> Problem {
    Problem {
        source: snapshot.origin(kind, node),
        kind: kind.to_string(),
        object: ObjectName::new("", node),
        field: field.to_owned(),
        message,
    }
}

/// A node that is believed.
pub(super) struct Member<'a> {
    pub(super) node: &'a Node,
    pub(super) pod_cidrs: BTreeSet<IpNetwork>,
    /// Those that count as its own.
    pub(super) addresses: Vec<IpAddr>,
    /// What it published, if it has.
    pub(super) publication: Option<&'a Publication>,
}

impl Member<'_> {
    /// Its pod CIDRs and node addresses.
    pub(super) fn allowed(&self) -> BTreeSet<IpNetwork> {
        self.pod_cidrs.iter().copied().chain(self.addresses.iter().copied().map(host)).collect()
    }
}

impl Members<'_> {
    /// Where pods get by the mesh or not at all: addresses of all other nodes, believed or not, gone or not.
    pub(super) fn closed(&self) -> BTreeSet<IpAddr> {
        self.addresses.granted.values().flatten().chain(&self.departed).copied().collect()
    }

    /// What is wrong with nodes and their addresses, as `status` shows it.
    pub(super) fn problems(&self, snapshot: &Snapshot) -> Vec<Problem> {
        let refused = self.refused.iter().map(|(node, refusal)| refusal.problem(node, snapshot));
        let doubted = self.addresses.doubted.iter().flat_map(|(node, addresses)| {
            addresses.values().map(move |why| {
                let message = format!("{why}: it is not taken for node {node}'s");
                problem(snapshot, Kind::Node, node, "status.addresses", message)
            })
        });
        refused.chain(doubted).collect()
    }

    /// What is whose, for the next compilation to know.
    pub(super) fn known(&self, input: &MeshInput<'_>) -> BTreeMap<String, Known> {
        let known = |node: &&Arc<Node>| {
            let name = node.name.as_str();
            let member = self.accepted.contains_key(name);
            let pod_cidrs =
                if member { pod_cidrs(node) } else { self.orphaned.get(name).cloned().unwrap_or_default() };
            let addresses = self.addresses.of(name).to_vec();
            Known { uid: node.uid.clone(), member, pod_cidrs, addresses }
        };
        let others = input.snapshot.nodes.values().filter(|node| node.name != input.node);
        others.map(|node| (node.name.clone(), known(&node))).collect()
    }
}

/// The nodes that are believed, with their UIDs; none if there is no Node object of our own.
#[must_use]
pub fn believed(input: &MeshInput<'_>) -> BTreeMap<String, String> {
    let Some(own) = input.snapshot.nodes.get(input.node) else { return BTreeMap::new() };
    let members = judge(input, own).accepted;
    members.into_values().map(|member| (member.node.name.clone(), member.node.uid.clone())).collect()
}

/// What each node that is believed may send from: its AllowedIPs, once it has keys.
#[must_use]
pub fn networks(input: &MeshInput<'_>) -> BTreeMap<String, BTreeSet<IpNetwork>> {
    let Some(own) = input.snapshot.nodes.get(input.node) else { return BTreeMap::new() };
    let members = judge(input, own).accepted;
    members.into_values().map(|member| (member.node.name.clone(), member.allowed())).collect()
}

/// Judges every node but this one, whose own claims come first.
pub(super) fn judge<'a>(input: &MeshInput<'a>, own: &'a Node) -> Members<'a> {
    let (claims, mut clashes) = of_pods(input, own);
    let addresses = of_nodes(input, own, &claims);
    let departed = departed(input, &claims, &addresses);
    let mut members = Members { addresses, departed, ..Members::default() };
    let publications = &input.snapshot.publications;
    let mut keys: BTreeMap<PublicKey, &str> =
        input.keys.public.iter().filter_map(|(_, key)| Some(((*key)?, input.node))).collect();
    for node in in_order(input, |node| input.memory.of(node).is_some_and(|known| known.member)) {
        let publication = publications.get(&node.name).map(Arc::as_ref);
        let agreed = input.keys.has_agreed(&node.name);
        let foreign = || publication.filter(|_| agreed.is_none()).and_then(|p| foreign_key(p, &keys));
        let unfit = || publication.and_then(|published| outdated(node, published)).or_else(foreign);
        if let Some(refusal) = clashes.remove(node.name.as_str()).or_else(unfit) {
            members.refused.insert(node.name.clone(), refusal);
            members.orphaned.insert(&node.name, free(&claims, node));
            continue;
        }
        let pair = input.keys.pair(&node.name, publication);
        keys.extend(pair.keys.iter().filter_map(|(_, key)| Some(((*key)?, node.name.as_str()))));
        let addresses = members.addresses.of(&node.name).to_vec();
        let member = Member { node, pod_cidrs: pod_cidrs(node), addresses, publication };
        members.accepted.insert(&node.name, member);
    }
    members
}

/// Addresses of Node objects that are gone or no longer name them, but for those that live ones have, or pods of theirs.
fn departed(input: &MeshInput<'_>, claims: &Claims<'_>, addresses: &Addresses<'_>) -> BTreeSet<IpAddr> {
    let gone = input.memory.departed.iter().flat_map(|one| one.had.addresses.iter().copied());
    let of_nobody = |address: &IpAddr| {
        claims.owner(host(*address), "").is_none()
            && !addresses.granted.values().any(|granted| granted.contains(address))
    };
    gone.filter(|address| input.config.may_be_a_nodes(*address) && of_nobody(address)).collect()
}

/// A node's pod CIDRs of which nobody else has any part.
fn free(claims: &Claims<'_>, node: &Node) -> BTreeSet<IpNetwork> {
    pod_cidrs(node).into_iter().filter(|cidr| claims.owner(*cidr, &node.name).is_none()).collect()
}

/// A publication of another Node object.
fn outdated(node: &Node, published: &Publication) -> Option<Refusal> {
    (published.uid() != node.uid).then(|| Refusal {
        kind: Kind::RingfenceNode,
        field: "spec.nodeUID",
        reason: format!(
            "its keys were published for another Node object of this name (UID {}, now {}): restart its agent",
            published.uid(),
            node.uid
        ),
    })
}

/// A key that somebody else had first.
fn foreign_key(published: &Publication, keys: &BTreeMap<PublicKey, &str>) -> Option<Refusal> {
    published.planes().iter().find_map(|(plane, published)| {
        let owner = keys.get(&published.public_key)?;
        let reason = format!(
            "its key on {plane} ({}) is also {owner}'s: a node was cloned with its keys; remake the keys of one",
            published.public_key.fingerprint()
        );
        Some(Refusal { kind: Kind::RingfenceNode, field: "spec.planes", reason })
    })
}
