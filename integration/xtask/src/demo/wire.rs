//! What somebody sees who listens on the wire between the nodes.

use anyhow::Result;

use super::capture::Recording;
use super::lab::{Lab, Pod, output};
use super::page;
use super::show::Finding;

/// WireGuard's two ports.
const WIREGUARD: &str = "(udp port 51871 or udp port 51872)";
/// Neighbour discovery (RFC 4861: ICMPv6 133 to 137) and multicast membership (RFC 9777: 143, behind a hop-by-hop header).
const NEIGHBOURS: &str =
    "(arp or (icmp6 and ip6[40] >= 133 and ip6[40] <= 137) or (ip6[6] == 0 and ip6[48] == 143))";

/// Shows both captures.
///
/// # Errors
/// When they cannot be read.
pub(super) fn show(lab: &Lab, wire: &Recording, node: &Recording, pods: &[Pod]) -> Result<Vec<Finding>> {
    page::heading("What the wire sees");
    // The world outside is on the same wire, and talks to pods as the world does: in the clear.
    let mac = output(&mut lab.exec("outside", &["cat", "/sys/class/net/eth0/address"]))?;
    let between = format!("not ether host {}", mac.trim());
    let encrypted = wire.packets(&format!("{between} and {WIREGUARD}"))?;
    let neighbours = wire.packets(&format!("{between} and {NEIGHBOURS}"))?;
    let other = wire.packets(&format!("{between} and not {WIREGUARD} and not {NEIGHBOURS}"))?;
    let names: Vec<String> = pods.iter().map(|pod| pod.name.clone()).collect();
    let (words_inside, words_outside) = (node.words("ip or ip6", &names)?, wire.words(&between, &names)?);

    page::say(
        "The same packets, before one node encrypts them (its WireGuard device) and on the wire between the nodes. What goes \
         to customers and to the card network leaves the cluster and is not counted here.",
    );
    println!("  on the node, before it encrypts:");
    page::quote(node.packets("ip or ip6")?.iter().take(4).map(String::as_str));
    println!("  on the wire:");
    page::quote(encrypted.iter().take(4).map(String::as_str));
    page::table(
        &["between the nodes", "packets"],
        &[
            vec!["WireGuard".into(), encrypted.len().to_string()],
            vec!["ARP, neighbour discovery, multicast membership".into(), neighbours.len().to_string()],
            vec!["anything else".into(), other.len().to_string()],
        ],
    );
    page::quote(other.iter().take(10).map(String::as_str));
    page::say(&format!(
        "The pods answer with their names. Those stand in the capture on the node {words_inside} times, in the capture of the \
         wire {words_outside} times."
    ));
    Ok(vec![
        Finding {
            must: "between nodes there is only WireGuard",
            seen: format!("{} WireGuard packets, {} others", encrypted.len(), other.len()),
            holds: !encrypted.is_empty() && other.is_empty(),
        },
        Finding {
            must: "nobody on the wire can read it",
            seen: format!("{words_outside} readable words of {words_inside} sent and received by one node"),
            holds: words_outside == 0 && words_inside > 0,
        },
    ])
}
