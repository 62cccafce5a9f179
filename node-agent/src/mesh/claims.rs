//! Who has which of the networks that Node objects claim.
//!
//! Pod CIDRs are given out by the control plane, while a node says itself which addresses it has: so they outrank addresses. Of
//! two nodes that claim one network it stays with whom it was known of first, else with the older Node object. An address that was
//! another's until a short time ago is nobody's who was there before.
use super::input::MeshInput;
use super::members::Refusal;
use super::memory::Departed;
use super::net::{Family, covers, host, masked, span};
use crate::model::Node;
use crate::watch::Kind;
use ipnetwork::IpNetwork;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Address ranges with their owners, those of different owners disjoint.
#[derive(Default)]
pub(super) struct Claims<'a> {
    /// (family, first address) -> (last address, owner).
    ranges: BTreeMap<(Family, u128), (u128, &'a str)>,
}

impl<'a> Claims<'a> {
    fn take(&mut self, node: &'a str, claimed: BTreeSet<IpNetwork>) {
        for network in &claimed {
            let (family, first, last) = span(*network);
            // Nested ranges of one node would hide each other: the outer one says it all.
            let nested = claimed.iter().any(|other| other != network && covers(*other, *network));
            if !nested {
                self.ranges.insert((family, first), (last, node));
            }
        }
    }

    /// A node other than `node` that has part of `network`.
    pub(super) fn owner(&self, network: IpNetwork, node: &str) -> Option<&'a str> {
        let (family, first, last) = span(network);
        let (_, (end, owner)) = self.ranges.range((family, 0)..=(family, last)).next_back()?;
        (*end >= first && *owner != node).then_some(*owner)
    }
}

/// A node's pod CIDRs, without host bits.
pub(super) fn pod_cidrs(node: &Node) -> BTreeSet<IpNetwork> {
    node.pod_cidrs.iter().copied().map(masked).collect()
}

/// Every Node object but our own, those first of which `first` says so, then older ones before younger.
pub(super) fn in_order<'a>(input: &MeshInput<'a>, first: impl Fn(&Node) -> bool) -> Vec<&'a Node> {
    let others = input.snapshot.nodes.values().filter(|node| node.name != input.node);
    let mut nodes: Vec<&Node> = others.map(Arc::as_ref).collect();
    nodes.sort_by_key(|node| (!first(node), node.created.is_empty(), &node.created, &node.name));
    nodes
}

/// Whose each pod CIDR is: all that is ours first, and of each other node all of its own or, if another has part of one,
/// none: then it is refused.
pub(super) fn of_pods<'a>(input: &MeshInput<'a>, own: &'a Node) -> (Claims<'a>, BTreeMap<&'a str, Refusal>) {
    let mut claims = Claims::default();
    let ours = pod_cidrs(own).into_iter().chain(own.addresses.iter().copied().map(host));
    claims.take(&own.name, ours.collect());
    let mut refused = BTreeMap::new();
    let known =
        |node: &Node| input.memory.of(node).is_some_and(|known| pod_cidrs(node).is_subset(&known.pod_cidrs));
    for node in in_order(input, known) {
        let cidrs = pod_cidrs(node);
        let clash = cidrs.iter().find_map(|cidr| Some((cidr, claims.owner(*cidr, &node.name)?)));
        if let Some((cidr, owner)) = clash {
            let reason =
                format!("it claims {cidr}, which overlaps what {owner} has: give one of them another range");
            refused.insert(&*node.name, Refusal { kind: Kind::Node, field: "spec.podCIDRs", reason });
        } else {
            claims.take(&node.name, cidrs);
        }
    }
    (claims, refused)
}

/// Which addresses are taken for which node's.
#[derive(Default)]
pub(super) struct Addresses<'a> {
    /// Those of every node but our own, in the order in which it names them.
    pub(super) granted: BTreeMap<&'a str, Vec<IpAddr>>,
    /// What a node names in vain, and why.
    pub(super) doubted: BTreeMap<&'a str, BTreeMap<IpAddr, String>>,
}

impl Addresses<'_> {
    /// The addresses that count as a node's.
    pub(super) fn of(&self, node: &str) -> &[IpAddr] {
        self.granted.get(node).map_or(&[], Vec::as_slice)
    }
}

/// Whose each address is.
pub(super) fn of_nodes<'a>(input: &MeshInput<'a>, own: &Node, pods: &Claims<'_>) -> Addresses<'a> {
    let departed = input.memory.departed.iter();
    let departed = departed.flat_map(|one| one.had.addresses.iter().map(move |address| (*address, one)));
    let judge = Judge { input, own, pods, departed: departed.collect() };
    let mut owners: BTreeMap<IpAddr, &str> = BTreeMap::new();
    for first in [true, false] {
        for node in in_order(input, |_| false) {
            let known = input.memory.of(node).map_or(&[][..], |known| &known.addresses);
            let named = node.addresses.iter().filter(|address| known.contains(address) == first);
            for address in named.filter(|address| judge.why_not(node, **address).is_none()) {
                owners.entry(*address).or_insert(&node.name);
            }
        }
    }
    let mut all = Addresses::default();
    for node in in_order(input, |_| false) {
        for address in &node.addresses {
            let owner = owners.get(address).copied().unwrap_or_default();
            let taken =
                (owner != node.name).then(|| format!("{address} is {owner}'s, of whom it was known first"));
            match judge.why_not(node, *address).or(taken) {
                Some(why) => _ = all.doubted.entry(&*node.name).or_default().insert(*address, why),
                None => all.granted.entry(&*node.name).or_default().push(*address),
            }
        }
    }
    all
}

/// What addresses are judged by.
struct Judge<'a> {
    input: &'a MeshInput<'a>,
    own: &'a Node,
    pods: &'a Claims<'a>,
    /// Who had an address last, of those that have it no longer.
    departed: BTreeMap<IpAddr, &'a Departed>,
}

impl Judge<'_> {
    /// Why an address cannot be the node's, whoever else names it.
    fn why_not(&self, node: &Node, address: IpAddr) -> Option<String> {
        if self.own.addresses.contains(&address) {
            return Some(format!("{address} is {}'s, the node that says so", self.own.name));
        }
        if let Some(owner) = self.pods.owner(host(address), &node.name) {
            return Some(format!("{address} lies in a pod CIDR of {owner}"));
        }
        if !self.input.config.may_be_a_nodes(address) {
            return Some(format!(
                "{address} lies outside of every --node-cidr, so pods reach it as they reach the world outside, in the clear"
            ));
        }
        let had = self.departed.get(&address).filter(|had| !had.leaves_to(node))?;
        Some(format!(
            "{address} was {}'s while this Node object was there already, and stays closed to pods for the time of --hold-departed",
            had.node
        ))
    }
}
