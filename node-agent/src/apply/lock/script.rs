//! The third lock on plaintext as a script for `nft -f`: what may leave by which device, whoever bent the routes and
//! whether or not a device has programs.
//!
//! The first chain stands in postrouting: what is sent here and what is forwarded both pass it, with their destination behind
//! every DNAT; and before any source is translated (priority 100, and our own 99), so a pod's packet still bears the pod's
//! address. Nothing in it needs connection tracking.
#[cfg(test)]
mod tests;

use super::super::nft::{cleared, set};
use super::{COUNTER, TABLE};
use crate::mesh::spec::LockSpec;
use ringfence_keyring::Plane;
use std::fmt::Write;
use std::net::IpAddr;

/// Priority of the chain: before our own translation of sources.
const PRIORITY: i32 = 98;

/// How nft writes a family, and whether it is IPv4.
const FAMILIES: [(&str, bool); 2] = [("ip", true), ("ip6", false)];

/// The script, one transaction: the rules are put in the place of those that were there, while what was counted stays.
/// `afresh` removes the table before, for one of whose chains another of our versions made something else.
pub(super) fn script(lock: &LockSpec, afresh: bool) -> String {
    let mut text =
        if afresh { cleared(TABLE) } else { format!("table inet {TABLE}\nflush table inet {TABLE}\n") };
    let _ = writeln!(text, "table inet {TABLE} {{\ncounter {COUNTER} {{ }}");
    let _ = writeln!(text, "chain caught {{\ncounter name \"{COUNTER}\" drop\n}}");
    for (word, v4) in FAMILIES {
        to_nodes(&mut text, word, v4, lock);
    }
    let _ = writeln!(
        text,
        "chain postrouting {{\ntype filter hook postrouting priority {PRIORITY}; policy accept;"
    );
    let _ = writeln!(text, "oifname {{ {}, \"lo\" }} accept", planes());
    for (word, v4) in FAMILIES {
        if let Some(nodes) = nodes(lock, v4) {
            let _ = writeln!(text, "{word} daddr {nodes} goto nodes_{word}");
        }
        if let Some(local) = set(lock.local.iter().copied(), v4) {
            let _ = writeln!(text, "{word} daddr {local} accept");
        }
        if let Some(cluster) = set(lock.cluster.iter().copied(), v4) {
            let _ = writeln!(text, "{word} daddr {cluster} goto caught");
        }
    }
    text.push_str("}\n");
    off_the_mesh(&mut text, lock);
    text.push_str("}\n");
    text
}

/// Nodes are reached in the clear by nodes and by the world, not by pods: not by ours...
fn to_nodes(text: &mut String, word: &str, v4: bool, lock: &LockSpec) {
    let _ = writeln!(text, "chain nodes_{word} {{");
    if let Some(local) = set(lock.local.iter().copied(), v4) {
        let _ = writeln!(text, "{word} saddr {local} goto caught");
    }
    text.push_str("}\n");
}

/// ...nor by what came off the mesh. Only what is forwarded came from anywhere: in postrouting, the kernel's WireGuard has
/// its own packets come from its own device (`send4` in drivers/net/wireguard/socket.c).
fn off_the_mesh(text: &mut String, lock: &LockSpec) {
    let planes = planes();
    let _ = writeln!(text, "chain forward {{\ntype filter hook forward priority filter; policy accept;");
    let _ = writeln!(text, "iifname != {{ {planes} }} accept\noifname {{ {planes} }} accept");
    for (word, v4) in FAMILIES {
        if let Some(nodes) = nodes(lock, v4) {
            let _ = writeln!(text, "{word} daddr {nodes} goto caught");
        }
    }
    text.push_str("}\n");
}

/// The addresses of nodes of a family. Without a length, for then the kernel hashes them.
fn nodes(lock: &LockSpec, v4: bool) -> Option<String> {
    let of_family = lock.nodes.iter().filter(|address| address.is_ipv4() == v4);
    let addresses: Vec<String> = of_family.map(IpAddr::to_string).collect();
    (!addresses.is_empty()).then(|| format!("{{ {} }}", addresses.join(", ")))
}

fn planes() -> String {
    let [zero, one] = Plane::ALL.map(Plane::device);
    format!("\"{zero}\", \"{one}\"")
}
