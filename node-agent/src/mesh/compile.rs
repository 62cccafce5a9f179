//! The whole compilation.
use super::input::MeshInput;
use super::lock::lock;
use super::members::{Member, Members, judge};
use super::nat::{nat, transit};
use super::net::{Family, covers, masked};
use super::peers::devices;
use super::routes::{Routes, bound, rules};
use super::spec::{DeviceSpec, MeshSpec, WordsSpec};
use crate::model::Node;
use ipnetwork::IpNetwork;
use ringfence_keyring::Plane;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

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
    let mut cidrs: BTreeSet<IpNetwork> = members.orphaned.iter().chain(&local).copied().collect();
    cidrs.extend(members.accepted.values().flat_map(|member| member.pod_cidrs.iter().copied()));
    let cluster = cluster(&input.config.cluster_cidrs, cidrs);
    let sources = sources(input, own, &mut warnings);
    let others: Vec<&Node> = nodes.values().map(Arc::as_ref).filter(|node| node.name != own.name).collect();
    let lock = lock(own, &others, &local, &cluster);
    let planes = planes(input, &members, &devices);
    let routes = Routes { planes: &planes, others, own, sources: &sources, cluster: &cluster };
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
        problems: members.refused.iter().map(|(n, refusal)| refusal.problem(n, input.snapshot)).collect(),
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
