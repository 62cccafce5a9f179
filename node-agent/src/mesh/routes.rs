//! Routes onto the mesh, the blackholes behind them, and the rules that send local pods there.
use super::members::Members;
use super::net::{Family, host, masked};
use super::spec::{
    BLACKHOLE_METRIC, MAIN_TABLE, PLANE_TABLES, POD_TABLE, ROUTE_METRIC, RULE_PRIORITY, RouteSpec, RouteVia,
    RuleSpec,
};
use crate::model::Node;
use ipnetwork::IpNetwork;
use ringfence_keyring::Plane;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What routes are made of.
pub(super) struct Routes<'a> {
    /// The plane of each node's routes, of those that have a peer behind its device.
    pub(super) planes: &'a BTreeMap<&'a str, Plane>,
    /// Addresses of all other nodes, believed or not, and of those that are gone.
    pub(super) closed: BTreeSet<IpAddr>,
    /// By family: what our own packets onto the mesh are sent from.
    pub(super) sources: &'a BTreeMap<Family, IpAddr>,
    /// The cluster's pod CIDRs as they are dropped when nothing better is known.
    pub(super) cluster: &'a BTreeSet<IpNetwork>,
}

impl Routes<'_> {
    /// Of members with a peer behind the device: routes. Of everything that is a pod's or a node's: blackholes.
    pub(super) fn all(&self, members: &Members<'_>) -> BTreeSet<RouteSpec> {
        let mut routes: BTreeSet<RouteSpec> =
            self.cluster.iter().map(|cidr| blackhole(MAIN_TABLE, *cidr)).collect();
        for (name, member) in &members.accepted {
            let Some(plane) = self.planes.get(name).copied() else { continue };
            for cidr in &member.pod_cidrs {
                let source = self.sources.get(&Family::of(cidr.network())).copied();
                routes.insert(onto_mesh(MAIN_TABLE, *cidr, (plane, source)));
            }
            for address in &member.addresses {
                routes.insert(onto_mesh(POD_TABLE, host(*address), (plane, None)));
            }
        }
        // Also of nodes that were refused or have no keys yet, or whose object is gone: without this a pod's packet to such a node would find
        // the main table and leave in the clear.
        routes.extend(self.closed.iter().map(|address| blackhole(POD_TABLE, host(*address))));
        routes
    }
}

fn onto_mesh(table: u32, destination: IpNetwork, (plane, source): (Plane, Option<IpAddr>)) -> RouteSpec {
    RouteSpec { table, destination, metric: ROUTE_METRIC, via: RouteVia::Plane(plane, source) }
}

fn blackhole(table: u32, destination: IpNetwork) -> RouteSpec {
    RouteSpec { table, destination, metric: BLACKHOLE_METRIC, via: RouteVia::Blackhole }
}

/// One rule for each local pod CIDR; and for what comes off the mesh and goes on to a node, as a pod's packet does that
/// called a NodePort here whose backend is another node. In the main table it would find the way in the clear.
pub(super) fn rules(local: &BTreeSet<IpNetwork>) -> BTreeSet<RuleSpec> {
    let rule =
        |source, plane| RuleSpec { source, plane, bound: None, table: POD_TABLE, priority: RULE_PRIORITY };
    let families: BTreeSet<IpNetwork> = local.iter().filter_map(|cidr| everything(*cidr)).collect();
    let off_mesh = |all: IpNetwork| Plane::ALL.map(|plane| rule(all, Some(plane)));
    local.iter().map(|cidr| rule(*cidr, None)).chain(families.into_iter().flat_map(off_mesh)).collect()
}

/// Where there is IPv6: a route to everybody over each plane, for sockets that are bound to its device alone. Without one the
/// kernel has nowhere to send what agents say to each other (`ip6_route_output_flags`); for IPv4 it takes a device that a
/// socket is bound to as a route (`ip_route_output_key_hash_rcu`, "routing tables are wrong").
pub(super) fn bound(own: &Node) -> (BTreeSet<RouteSpec>, BTreeSet<RuleSpec>) {
    let any = own.addresses.iter().copied().map(host).find(|address| !address.is_ipv4()).and_then(everything);
    let each =
        |any: IpNetwork| (0..).zip(Plane::ALL).map(move |(index, plane)| (any, PLANE_TABLES + index, plane));
    let all: Vec<(IpNetwork, u32, Plane)> = any.into_iter().flat_map(each).collect();
    let route = |(any, table, plane): &(IpNetwork, u32, Plane)| onto_mesh(*table, *any, (*plane, None));
    let rule = |(source, table, plane): &(IpNetwork, u32, Plane)| RuleSpec {
        source: *source,
        plane: None,
        bound: Some(*plane),
        table: *table,
        priority: RULE_PRIORITY,
    };
    (all.iter().map(route).collect(), all.iter().map(rule).collect())
}

/// The network that holds every address of a network's family.
fn everything(like: IpNetwork) -> Option<IpNetwork> {
    IpNetwork::new(like.ip(), 0).ok().map(masked)
}
