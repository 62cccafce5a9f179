//! P2: whether a packet's source lives where it comes from, and whether its destination is looked for there.
use super::Expectation;
use super::ends::{Known, Who};
use super::policy::Tri;
use crate::evaluator::{Direction, isolated};
use crate::packets::reading::Reading;
use anyhow::{Context, Result};
use ringfence_abi::Reason;
use std::net::IpAddr;

/// Where a packet sets out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sender {
    /// In a pod, by its full name.
    Pod(String),
    /// On a node.
    Node(String),
    /// Off the wire at a node.
    Outside(String),
    /// On the mesh, by a node that obeys nobody.
    Peer {
        /// The sender.
        from: String,
        /// The receiver.
        to: String,
    },
}

/// Neighbour solicitation and advertisement, router solicitation.
const DISCOVERY: [u8; 3] = [133, 135, 136];
/// Router advertisement, redirect.
const ROUTERS: [u8; 2] = [134, 137];
/// Group membership.
const GROUPS: [u8; 4] = [130, 131, 132, 143];

/// Says what must become of a packet whatever policy says. `None`: policy decides.
pub(super) fn outright(
    known: &Known,
    sender: &Sender,
    ethertype: u16,
    reading: Option<&Reading>,
) -> Result<Option<Expectation>> {
    let ip = [0x0800, 0x86dd].contains(&ethertype);
    let Some(reading) = reading else {
        return Ok(Some(match sender {
            _ if ip => Expectation::drop("addresses that cannot be read", &[Reason::Malformed]),
            _ if ethertype == 0x0806 => Expectation::new(Tri::Yes, "address resolution"),
            _ if [0x8100, 0x88a8].contains(&ethertype) => {
                Expectation::drop("a tag that may hide anything", &[Reason::Malformed])
            }
            Sender::Pod(name) => {
                let pod = known.pod(name).with_context(|| format!("no pod {name}"))?;
                let directions = [Direction::Ingress, Direction::Egress];
                let mut any = false;
                for direction in directions {
                    any |= isolated(&known.cluster, pod, direction)?;
                }
                match any {
                    true => Expectation::drop("no IP, from an isolated pod", &[Reason::Malformed]),
                    false => Expectation::new(Tri::Yes, "no IP, from a pod that is not isolated"),
                }
            }
            Sender::Outside(_) => Expectation::new(Tri::Yes, "no IP, off the wire"),
            _ => Expectation::drop("no IP, on the mesh", &[Reason::Malformed]),
        }));
    };
    Ok(match sender {
        Sender::Pod(name) => from_pod(known, name, reading),
        Sender::Outside(node) => from_outside(known, node, reading),
        Sender::Peer { from, to } => from_peer(known, from, to, reading),
        Sender::Node(_) => match known.who(reading.dst) {
            Who::Nobody(_) => Some(Expectation::new(Tri::No, "an address that no pod has")),
            _ => None,
        },
    })
}

fn from_pod(known: &Known, name: &str, reading: &Reading) -> Option<Expectation> {
    let own = known.pod(name).is_some_and(|pod| pod.addresses.contains(&reading.src));
    let unspecified = reading.src.is_ipv6() && reading.src.is_unspecified();
    let of_link = unspecified || is_link_local(reading.src);
    let kind = reading.icmpv6();
    if kind.is_some_and(|kind| ROUTERS.contains(&kind)) {
        return Some(Expectation::drop("what only routers say", &[Reason::RouterMessage]));
    }
    let near = kind.is_some_and(|kind| DISCOVERY.contains(&kind)) && reading.hop_limit == 255;
    let group = kind.is_some_and(|kind| GROUPS.contains(&kind)) && reading.hop_limit == 1 && of_link;
    if of_link && !near && !group {
        return Some(Expectation::drop(
            "a link's source, for other than neighbour discovery",
            &[Reason::LinkLocal],
        ));
    }
    if !own && !of_link {
        return Some(Expectation::drop("a source that is not the pod's", &[Reason::SpoofedPod]));
    }
    let on_link = reading.dst.is_multicast() || is_link_local(reading.dst);
    if (near || group) && on_link {
        return Some(Expectation::new(Tri::Yes, "neighbour discovery"));
    }
    if of_link {
        // Passes the hook, and is never forwarded.
        return Some(Expectation::new(Tri::Maybe, "a link's source beyond the link"));
    }
    if let Who::Nobody(_) = known.who(reading.dst) {
        return Some(Expectation::new(Tri::No, "an address that no pod has"));
    }
    None
}

const SPOOFED: &[Reason] = &[Reason::SpoofedUnderlay];

fn from_outside(known: &Known, node: &str, reading: &Reading) -> Option<Expectation> {
    let at = |who: &Who| known.node_of(who).is_some_and(|n| n == node);
    let (from, to) = (known.who(reading.src), known.who(reading.dst));
    let wireguard = reading.transport().is_some_and(|t| t.protocol == 17 && [51871, 51872].contains(&t.to));
    if wireguard && matches!(to, Who::Node(_)) && at(&to) {
        return Some(Expectation::new(Tri::Yes, "WireGuard's own port"));
    }
    let pods = matches!(from, Who::Pod(_) | Who::Nobody(_)) || known.is_gateway(reading.src);
    let to_pods = matches!(to, Who::Pod(_) | Who::Nobody(_));
    let node_s = matches!(from, Who::Node(_));
    if pods || (node_s && (at(&from) || (to_pods && at(&to)))) {
        return Some(Expectation::drop("a pod's or node's source off the wire", SPOOFED));
    }
    if to_pods && !at(&to) || (known.is_gateway(reading.dst) && !at(&to)) {
        return Some(Expectation::drop("off the wire to pods of another node", &[Reason::NotLocal]));
    }
    match to {
        Who::Nobody(_) => Some(Expectation::drop("an address that no pod has", &[Reason::NoEndpoint])),
        // By way of this node: the other one knows its own.
        Who::Node(_) if from == to => {
            Some(Expectation::new(Tri::No, "a pod's or node's source off the wire"))
        }
        _ => None,
    }
}

fn from_peer(known: &Known, from: &str, to: &str, reading: &Reading) -> Option<Expectation> {
    if known.node_of(&known.who(reading.src)).as_deref() != Some(from) {
        return Some(Expectation::new(Tri::No, "a source that is not the peer's"));
    }
    let target = known.who(reading.dst);
    if known.node_of(&target).as_deref() != Some(to) {
        return Some(Expectation::drop("off the mesh to elsewhere", &[Reason::NotLocal]));
    }
    match target {
        Who::Nobody(_) => Some(Expectation::drop("an address that no pod has", &[Reason::NoEndpoint])),
        _ => None,
    }
}

/// `fe80::/10`; IPv4's count as any other address.
fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(a) if a.is_unicast_link_local())
}
