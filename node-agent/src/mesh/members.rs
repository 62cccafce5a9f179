//! Which nodes are believed.
//!
//! A WireGuard device gives an AllowedIP to one peer only and the last one to claim it takes it, so two nodes that
//! claim one address must be told apart before: else a node could draw another's pods to itself (P2).
use super::input::MeshInput;
use super::net::{Family, host, masked, span};
use crate::desired::Snapshot;
use crate::model::{Node, ObjectName, Problem};
use crate::watch::Kind;
use ipnetwork::IpNetwork;
use ringfence_keyring::{PublicKey, Publication};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The nodes, judged.
#[derive(Default)]
pub(super) struct Members<'a> {
    /// Believed, other than this node.
    pub(super) accepted: BTreeMap<&'a str, Member<'a>>,
    /// Not believed, with the reason.
    pub(super) refused: BTreeMap<String, Refusal>,
    /// CIDRs of refused nodes that nobody else has: they are to be dropped, never sent in the clear.
    pub(super) orphaned: BTreeSet<IpNetwork>,
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
    pub(super) fn problem(&self, node: &str, snapshot: &Snapshot) -> Problem {
        Problem {
            source: snapshot.origin(self.kind, node),
            kind: self.kind.to_string(),
            object: ObjectName::new("", node),
            field: self.field.to_owned(),
            message: format!("{}; until then node {node} has no part in the mesh", self.reason),
        }
    }
}

/// A node that is believed.
pub(super) struct Member<'a> {
    pub(super) node: &'a Node,
    pub(super) pod_cidrs: BTreeSet<IpNetwork>,
    /// What it published, if it has.
    pub(super) publication: Option<&'a Publication>,
}

impl Member<'_> {
    /// Its pod CIDRs and node addresses.
    pub(super) fn allowed(&self) -> BTreeSet<IpNetwork> {
        self.pod_cidrs.iter().copied().chain(self.node.addresses.iter().copied().map(host)).collect()
    }
}

/// The nodes that are believed, with their UIDs; none if there is no Node object of our own.
#[must_use]
pub fn believed(input: &MeshInput<'_>) -> BTreeMap<String, String> {
    let Some(own) = input.snapshot.nodes.get(input.node) else { return BTreeMap::new() };
    let members = judge(input, own).accepted;
    members.into_values().map(|member| (member.node.name.clone(), member.node.uid.clone())).collect()
}

/// Judges every node but this one, whose own claims come first.
pub(super) fn judge<'a>(input: &MeshInput<'a>, own: &'a Node) -> Members<'a> {
    let of_pods = pods(own, input);
    let mut claims = Claims::default();
    claims.take(&own.name, claimed(own));
    let publications = &input.snapshot.publications;
    let mut keys: BTreeMap<PublicKey, &str> =
        input.keys.public.iter().filter_map(|(_, key)| Some(((*key)?, input.node))).collect();
    let mut members = Members::default();
    let mut disputed = Vec::new();
    for node in in_order(input) {
        let publication = publications.get(&node.name).map(Arc::as_ref);
        let agreed = input.keys.has_agreed(&node.name);
        let foreign = || publication.filter(|_| agreed.is_none()).and_then(|p| foreign_key(p, &keys));
        let unfit = || publication.and_then(|published| outdated(node, published)).or_else(foreign);
        let conflict = of_pods.addresses(node).or_else(|| claims.conflict(node));
        if let Some(refusal) = conflict.or_else(unfit) {
            members.refused.insert(node.name.clone(), refusal);
            disputed.push(node);
            continue;
        }
        claims.take(&node.name, claimed(node));
        let pair = input.keys.pair(&node.name, publication);
        keys.extend(pair.keys.iter().filter_map(|(_, key)| Some(((*key)?, node.name.as_str()))));
        let pod_cidrs = node.pod_cidrs.iter().copied().map(masked).collect();
        members.accepted.insert(&node.name, Member { node, pod_cidrs, publication });
    }
    for node in disputed {
        let cidrs = node.pod_cidrs.iter().copied().map(masked);
        members.orphaned.extend(cidrs.filter(|cidr| claims.owner(*cidr, "").is_none()));
    }
    members
}

/// Pod CIDRs alone, and all that is ours: those that are disputed, as the first claimant's. The control plane gives them out, while a node says
/// itself which addresses it has, so none of these takes an address away from another node's pods.
fn pods<'a>(own: &'a Node, input: &MeshInput<'a>) -> Claims<'a> {
    let mut claims = Claims::default();
    claims.take(&own.name, claimed(own));
    for node in in_order(input) {
        let cidrs: BTreeSet<IpNetwork> = node.pod_cidrs.iter().copied().map(masked).collect();
        if cidrs.iter().all(|cidr| claims.owner(*cidr, &node.name).is_none()) {
            claims.take(&node.name, cidrs);
        }
    }
    claims
}

/// Those known already come first, then older Node objects before younger ones.
fn in_order<'a>(input: &MeshInput<'a>) -> Vec<&'a Node> {
    let others = input.snapshot.nodes.values().filter(|node| node.name != input.node);
    let mut nodes: Vec<&Node> = others.map(Arc::as_ref).collect();
    nodes.sort_by_key(|node| {
        let known = input.previous.get(&node.name) == Some(&node.uid);
        (!known, node.created.is_empty(), &node.created, &node.name)
    });
    nodes
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

/// Address ranges with their owners, those of different owners disjoint.
#[derive(Default)]
struct Claims<'a> {
    /// (family, first address) -> (last address, owner).
    ranges: BTreeMap<(Family, u128), (u128, &'a str)>,
}

impl<'a> Claims<'a> {
    fn take(&mut self, node: &'a str, claimed: BTreeSet<IpNetwork>) {
        for network in &claimed {
            let (family, first, last) = span(*network);
            // Nested ranges of one node would hide each other: the outer one says it all.
            let nested = claimed.iter().any(|other| other != network && super::net::covers(*other, *network));
            if !nested {
                self.ranges.insert((family, first), (last, node));
            }
        }
    }

    fn conflict(&self, node: &Node) -> Option<Refusal> {
        self.overlap(node, claimed(node))
    }

    /// As [`Claims::conflict`], of what the node says of itself.
    fn addresses(&self, node: &Node) -> Option<Refusal> {
        self.overlap(node, node.addresses.iter().copied().map(host).collect())
    }

    fn overlap(&self, node: &Node, claimed: BTreeSet<IpNetwork>) -> Option<Refusal> {
        claimed.into_iter().find_map(|network| {
            let owner = self.owner(network, &node.name)?;
            let of_pods = node.pod_cidrs.iter().any(|cidr| masked(*cidr) == network);
            let field = if of_pods { "spec.podCIDRs" } else { "status.addresses" };
            let reason = format!(
                "it claims {network}, which overlaps what {owner} has: give one of them another range"
            );
            Some(Refusal { kind: Kind::Node, field, reason })
        })
    }

    /// A node other than `node` that has part of `network`.
    fn owner(&self, network: IpNetwork, node: &str) -> Option<&'a str> {
        let (family, first, last) = span(network);
        let (_, (end, owner)) = self.ranges.range((family, 0)..=(family, last)).next_back()?;
        (*end >= first && *owner != node).then_some(*owner)
    }
}

fn claimed(node: &Node) -> BTreeSet<IpNetwork> {
    node.pod_cidrs.iter().copied().map(masked).chain(node.addresses.iter().copied().map(host)).collect()
}
