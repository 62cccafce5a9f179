//! The whole compilation.
use super::input::MeshInput;
use super::members::{Member, Members, judge};
use super::nat::{nat, transit};
use super::net::{Family, covers, masked};
use super::peers::devices;
use super::routes::{Routes, bound, rules};
use super::spec::{DeviceSpec, LockSpec, MeshSpec, WordsSpec};
use crate::model::Node;
use ipnetwork::IpNetwork;
use ringfence_keyring::Plane;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Why there is no mesh to be had.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MeshError {
    /// Without our own Node object nothing of ours is known.
    #[error("there is no Node object {node}: the mesh stays as it is until there is one")]
    NoSuchNode {
        /// Its name.
        node: String,
    },
}

/// What the mesh of `input.node` shall be.
///
/// # Errors
/// [`MeshError::NoSuchNode`] if the snapshot has no Node of that name.
pub fn compile(input: &MeshInput<'_>) -> Result<MeshSpec, MeshError> {
    let nodes = &input.snapshot.nodes;
    let own = nodes.get(input.node).ok_or_else(|| MeshError::NoSuchNode { node: input.node.to_owned() })?;
    let mut warnings = BTreeSet::new();
    let mut members = judge(input, own);
    let local: BTreeSet<IpNetwork> = own.pod_cidrs.iter().copied().map(masked).collect();
    let devices = devices(input, &mut members, &transit(&local), &mut warnings);
    if local.is_empty() {
        warnings.insert(format!("Node {} has no spec.podCIDRs: its pods get no network", own.name));
    }
    let mut cidrs: BTreeSet<IpNetwork> = members.orphaned.values().flatten().chain(&local).copied().collect();
    cidrs.extend(members.accepted.values().flat_map(|member| member.pod_cidrs.iter().copied()));
    cidrs.extend(input.memory.departed_cidrs());
    let cluster = cluster(&input.config.cluster_cidrs, cidrs);
    let sources = sources(input, own, &mut warnings);
    warnings.extend(remarks(input, own, &members));
    let closed = members.closed();
    let lock = LockSpec { cluster: cluster.clone(), local: local.clone(), nodes: closed.clone() };
    let planes = planes(input, &members, &devices);
    let routes = Routes { planes: &planes, closed, sources: &sources, cluster: &cluster };
    let nat = nat(input.snapshot, own, &local, &cluster, &members, &sources);
    let (routes_of_planes, rules_of_planes) = bound(own);
    Ok(MeshSpec {
        words: WordsSpec { own: nat.node_addresses.clone(), others: nat.peer_addresses.clone() },
        routes: routes.all(&members).into_iter().chain(routes_of_planes).collect(),
        rules: rules(&local).into_iter().chain(rules_of_planes).collect(),
        lock,
        nat,
        sysctls: sysctls(),
        members: members
            .accepted
            .values()
            .map(|member| (member.node.name.clone(), member.node.uid.clone()))
            .collect(),
        waiting: members
            .accepted
            .values()
            .filter(|member| member.publication.is_none())
            .map(|member| member.node.name.clone())
            .collect(),
        known: members.known(input),
        disbelieved: disbelieved(&members),
        problems: members.problems(input.snapshot),
        refused: members.refused.into_iter().map(|(n, refusal)| (n, refusal.reason)).collect(),
        devices,
        warnings,
    })
}

/// The plane of each node's routes: only where the device there has the node as a peer.
fn planes<'a>(
    input: &MeshInput<'_>,
    members: &Members<'a>,
    devices: &BTreeMap<Plane, DeviceSpec>,
) -> BTreeMap<&'a str, Plane> {
    let there: BTreeSet<(Plane, &str)> = devices
        .iter()
        .flat_map(|(plane, device)| device.peers.values().map(|peer| (*plane, peer.node.as_str())))
        .collect();
    let plane = |(name, member): (&&'a str, &Member<'a>)| {
        let plane = input.keys.pair(name, member.publication).route?;
        there.contains(&(plane, *name)).then_some((*name, plane))
    };
    members.accepted.iter().filter_map(plane).collect()
}

/// What each node names in vain.
fn disbelieved(members: &Members<'_>) -> BTreeMap<String, BTreeSet<IpAddr>> {
    let doubted = members.addresses.doubted.iter();
    doubted.map(|(node, addresses)| ((*node).to_owned(), addresses.keys().copied().collect())).collect()
}

/// What an administrator should know about nodes' addresses that is nobody's fault.
fn remarks(input: &MeshInput<'_>, own: &Node, members: &Members<'_>) -> Vec<String> {
    let mut remarks = Vec::new();
    if input.config.node_cidrs.is_empty() {
        remarks.push(
            "without --node-cidr, whatever address a Node object names is taken for that node's: pods' packets to it go there"
                .to_owned(),
        );
    }
    let outside = own.addresses.iter().filter(|address| !input.config.may_be_a_nodes(**address));
    remarks.extend(outside.map(|address| {
        format!("this node's address {address} lies outside of every --node-cidr: to other nodes it is the world outside")
    }));
    for one in &input.memory.departed {
        let addresses = one.had.addresses.iter().filter(|address| members.departed.contains(*address));
        let has =
            |cidr: &&IpNetwork| members.accepted.values().any(|member| member.pod_cidrs.contains(*cidr));
        // Where nobody knows whose they were, the whole cluster's and living nodes' are among them.
        let networks = one.had.pod_cidrs.iter().filter(|cidr| !one.node.is_empty() && !has(cidr));
        let networks = networks.map(ToString::to_string);
        let closed: Vec<String> = addresses.map(ToString::to_string).chain(networks).collect();
        remarks.extend(if one.node.is_empty() {
            Some(format!(
                "what was known of nodes was damaged (nodes.json in the state directory): what pods send to {} is dropped, for the time of --hold-departed or until a node has it",
                if closed.is_empty() { "what was closed before and is nobody's".to_owned() } else { closed.join(", ") }
            ))
        } else if closed.is_empty() {
            None
        } else {
            let lives = input.snapshot.nodes.get(&one.node).is_some_and(|node| node.uid == one.had.uid);
            Some(format!(
                "Node {} {}: what pods send to {} is dropped, for the time of --hold-departed or until this node or one made since has it",
                one.node,
                if lives { "no longer has all of its addresses" } else { "is gone" },
                closed.join(", ")
            ))
        });
    }
    remarks
}

/// The configured CIDRs, and those of nodes that lie outside them.
fn cluster(configured: &BTreeSet<IpNetwork>, of_nodes: BTreeSet<IpNetwork>) -> BTreeSet<IpNetwork> {
    let configured: BTreeSet<IpNetwork> = configured.iter().copied().map(masked).collect();
    let outside = of_nodes.into_iter().filter(|cidr| !configured.iter().any(|whole| covers(*whole, *cidr)));
    outside.collect::<Vec<_>>().into_iter().chain(configured.iter().copied()).collect()
}

/// By family, the first of our node addresses that this machine really has: a route cannot name any other as source.
fn sources(input: &MeshInput<'_>, own: &Node, warnings: &mut BTreeSet<String>) -> BTreeMap<Family, IpAddr> {
    let here = |address: &&IpAddr| input.underlay.addresses.iter().any(|has| has.address == **address);
    let mut sources = BTreeMap::new();
    for family in Family::ALL {
        let mut candidates =
            own.addresses.iter().filter(|address| Family::of(**address) == family).peekable();
        let Some(first) = candidates.peek().copied() else { continue };
        match candidates.find(here) {
            Some(address) => {
                sources.insert(family, *address);
            }
            None => {
                warnings.insert(format!("no device of this node has its address {first}"));
            }
        }
    }
    sources
}

fn sysctls() -> BTreeMap<String, String> {
    let mut sysctls = BTreeMap::from([
        ("net/ipv4/ip_forward".to_owned(), "1".to_owned()),
        ("net/ipv6/conf/all/forwarding".to_owned(), "1".to_owned()),
    ]);
    for plane in Plane::ALL {
        let device = plane.device();
        // Loose: a packet may come in on another plane than the route back uses.
        sysctls.insert(format!("net/ipv4/conf/{device}/rp_filter"), "2".to_owned());
        // No link-local address (the kernel's WireGuard takes none either): nothing is on link here.
        sysctls.insert(format!("net/ipv6/conf/{device}/addr_gen_mode"), "1".to_owned());
    }
    sysctls
}
