//! Our nftables table of sources as a script for `nft -f`: which packets keep which source.
//!
//! One chain, just before kube-proxy's postrouting (priority 100). A packet whose source is decided here, also when it
//! stays as it is, never reaches a masquerade behind: the kernel stops asking NAT chains once the source is decided
//! (`nf_nat_inet_fn`, net/netfilter/nf_nat_core.c). That matters because it kills a *masqueraded* connection whose
//! output device changes (`nf_nat_oif_changed`), as it does when traffic moves from one plane to the other.
#[cfg(test)]
mod tests;

use super::nft::{cleared, set};
use crate::mesh::spec::NatSpec;
use ipnetwork::IpNetwork;
use ringfence_keyring::Plane;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;

/// Name of the table, of family `inet`.
pub(super) const TABLE: &str = "ringfence";

/// How nft writes a family.
struct Family {
    /// As in `ip saddr`.
    word: &'static str,
    /// As in `meta nfproto`.
    protocol: &'static str,
    /// Type of an address in a set.
    address: &'static str,
    /// Set of pods that reach themselves.
    hairpin: &'static str,
    /// Destinations that nothing is routed to.
    special: &'static [&'static str],
    v4: bool,
}

const FAMILIES: [Family; 2] = [
    Family {
        word: "ip",
        protocol: "ipv4",
        address: "ipv4_addr",
        hairpin: "hairpin4",
        special: &["224.0.0.0/4", "255.255.255.255/32"],
        v4: true,
    },
    Family {
        word: "ip6",
        protocol: "ipv6",
        address: "ipv6_addr",
        hairpin: "hairpin6",
        special: &["fe80::/10", "ff00::/8"],
        v4: false,
    },
];

/// The script: one transaction that puts the table in the place of whatever has its name.
pub(super) fn script(nat: &NatSpec) -> String {
    let mut text = format!("{}table inet {TABLE} {{\n", cleared(TABLE));
    for family in &FAMILIES {
        hairpin_set(&mut text, family, nat);
    }
    text.push_str("chain mesh {\n");
    for family in &FAMILIES {
        onto_mesh(&mut text, family, nat);
    }
    text.push_str("}\n");
    quiet(&mut text);
    text.push_str("chain postrouting {\ntype nat hook postrouting priority 99; policy accept;\n");
    for family in &FAMILIES {
        // A pod behind its own Service must see the answer come back through it, so kube-proxy masquerades.
        let _ = writeln!(text, "{0} saddr . {0} daddr @{1} return", family.word, family.hairpin);
    }
    let [zero, one] = Plane::ALL.map(Plane::device);
    let _ = writeln!(text, "oifname {{ \"{zero}\", \"{one}\" }} jump mesh");
    for family in &FAMILIES {
        elsewhere(&mut text, family, nat);
    }
    text.push_str("}\n}\n");
    text
}

/// Where no agent runs, the kernel would tell those of other nodes that nobody listens: to a node address, so in the clear,
/// and quoting what came through the mesh. Behind the header of such a report (8 bytes) comes that of the packet it is about,
/// and then its ports.
fn quiet(text: &mut String) {
    text.push_str("chain quiet {\ntype filter hook output priority 0; policy accept;\n");
    let port = crate::words::PORT;
    for (word, header, protocol) in [("icmp", 20, 9), ("icmpv6", 40, 6)] {
        let (protocol, port_at) = ((8 + protocol) * 8, (8 + header + 2) * 8);
        let _ = writeln!(
            text,
            "{word} type destination-unreachable @th,{protocol},8 17 @th,{port_at},16 {port} drop"
        );
    }
    text.push_str("}\n");
}

/// Pairs of one address twice: nft cannot compare two fields of a packet.
fn hairpin_set(text: &mut String, family: &Family, nat: &NatSpec) {
    let _ = writeln!(text, "set {} {{\ntype {1} . {1}", family.hairpin, family.address);
    let pods = nat.local_pods.iter().filter(|pod| pod.is_ipv4() == family.v4);
    let pairs: Vec<String> = pods.map(|pod| format!("{pod} . {pod}")).collect();
    if !pairs.is_empty() {
        let _ = writeln!(text, "elements = {{ {} }}", pairs.join(", "));
    }
    text.push_str("}\n");
}

/// What leaves onto the mesh bears an address that the peer's AllowedIPs have for this node.
fn onto_mesh(text: &mut String, family: &Family, nat: &NatSpec) {
    let of_family =
        |addresses: &BTreeSet<IpAddr>| addresses.iter().find(|a| a.is_ipv4() == family.v4).copied();
    let (node, transit) = (of_family(&nat.preferred_sources), of_family(&nat.transit));
    let (word, protocol) = (family.word, family.protocol);
    if let Some(source) = node.or(transit) {
        let _ = writeln!(text, "meta nfproto {protocol} fib saddr type local snat {word} to {source}");
    }
    if let Some(local) = set(nat.local_pod_cidrs.iter().copied(), family.v4) {
        let _ = writeln!(text, "{word} saddr {local} snat {word} to {word} saddr");
    }
    // Clients of a NodePort: nobody on the mesh knows them, so the answer could not come back.
    if let Some(source) = transit.or(node) {
        let _ = writeln!(text, "meta nfproto {protocol} snat {word} to {source}");
    }
}

/// What leaves to a local pod, or out of the cluster.
fn elsewhere(text: &mut String, family: &Family, nat: &NatSpec) {
    let word = family.word;
    let Some(local) = set(nat.local_pod_cidrs.iter().copied(), family.v4) else { return };
    // Through a NodePort or hostPort of this node, which would be masqueraded: the answer passes here anyway, so the
    // backend may see the pod that it is.
    if let Some(cluster) = set(nat.cluster_pod_cidrs.iter().copied(), family.v4) {
        let _ = writeln!(text, "{word} saddr {cluster} {word} daddr {local} snat {word} to {word} saddr");
    }
    let nodes = nat.node_addresses.iter().chain(&nat.peer_addresses).copied().map(IpNetwork::from);
    let special = family.special.iter().filter_map(|network| network.parse().ok());
    let inside =
        nat.cluster_pod_cidrs.iter().chain(&nat.local_pod_cidrs).copied().chain(nodes).chain(special);
    if let Some(inside) = set(inside, family.v4) {
        let _ = writeln!(text, "{word} saddr {local} {word} daddr != {inside} masquerade");
    }
}
