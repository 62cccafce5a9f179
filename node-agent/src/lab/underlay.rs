//! The wires: one bridge, every machine on a port of it, dual-stack. Pure text for `ip -batch`; who runs it is elsewhere.
//!
//! Every address is a host route (/32, /128) on the wire, so node addresses may be any, and whatever is no node's goes
//! to the gateway: the outside.
use super::state::LabNode;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The bridge's name on the underlay's machine: where to capture.
pub(super) const BRIDGE: &str = "br0";
/// Every machine's name of its port.
pub(super) const DEVICE: &str = "eth0";
/// The outside's number; nodes begin behind it.
pub(super) const OUTSIDE: u16 = 1;

/// Makes the bridge. It learns nothing from snooping and delays nothing.
pub(super) fn bridge() -> String {
    format!(
        "link add {BRIDGE} type bridge mcast_snooping 0 forward_delay 0\n\
         link set {BRIDGE} addrgenmode none up\n"
    )
}

/// A port of the bridge, its other end given to process `pid` of a machine; to be run where `pid` is known.
pub(super) fn port(machine: &str, number: u16, pid: u32) -> String {
    let port = port_name(machine, number);
    let mac = format!("02:52:46:00:{:02x}:{:02x}", number >> 8, number & 0xff);
    format!(
        "link add {port} type veth peer name {DEVICE} address {mac} netns {pid}\n\
         link set {port} addrgenmode none master {BRIDGE} up\n"
    )
}

/// The machine's name, where it fits (IFNAMSIZ is 16 with its NUL).
pub(super) fn port_name(machine: &str, number: u16) -> String {
    if machine.len() <= 15 { machine.to_owned() } else { format!("port{number}") }
}

/// A node's end: its addresses, the other nodes, and everything else by the gateways.
pub(super) fn node(name: &str, nodes: &BTreeMap<String, LabNode>, gateways: &[IpAddr]) -> String {
    let mut text = device();
    let own = nodes.get(name).map(|n| n.addresses.clone()).unwrap_or_default();
    for address in &own {
        text += &address_line(*address);
    }
    for gateway in gateways {
        text += &route(*gateway, &own);
        // A kernel asked for a route to everything of a family this node has no address of would pick any other.
        if own.iter().any(|a| a.is_ipv4() == gateway.is_ipv4()) {
            let _ =
                writeln!(text, "route replace default via {gateway} dev {DEVICE}{}", source(*gateway, &own));
        }
    }
    text + &others(name, nodes, &own)
}

/// Routes to the other nodes, for when they change.
pub(super) fn others(name: &str, nodes: &BTreeMap<String, LabNode>, own: &[IpAddr]) -> String {
    let others = nodes.iter().filter(|(other, _)| *other != name);
    others.flat_map(|(_, node)| &node.addresses).map(|address| route(*address, own)).collect()
}

/// The outside's end: the gateways' addresses, nodes, and pod CIDRs behind their nodes.
pub(super) fn outside(nodes: &BTreeMap<String, LabNode>, gateways: &[IpAddr]) -> String {
    let mut text = device();
    for gateway in gateways {
        text += &address_line(*gateway);
    }
    text + &outside_routes(nodes, gateways)
}

/// Its routes, for when nodes change.
pub(super) fn outside_routes(nodes: &BTreeMap<String, LabNode>, gateways: &[IpAddr]) -> String {
    let mut text = String::new();
    for node in nodes.values() {
        for address in &node.addresses {
            text += &route(*address, gateways);
        }
        for cidr in &node.pod_cidrs {
            let via = node.addresses.iter().find(|a| a.is_ipv4() == cidr.is_ipv4());
            if let Some(via) = via {
                let _ = writeln!(text, "route replace {cidr} via {via} dev {DEVICE}");
            }
        }
    }
    text
}

/// Gateways for these nodes: beside their first addresses, the lowest that is nobody's.
pub(super) fn gateways(nodes: &BTreeMap<String, LabNode>) -> Vec<IpAddr> {
    let taken: BTreeSet<IpAddr> = nodes.values().flat_map(|n| n.addresses.clone()).collect();
    let first = |v4: bool| taken.iter().find(|a| a.is_ipv4() == v4);
    let free = |at: &dyn Fn(u8) -> IpAddr| (1..=254).map(at).find(|a| !taken.contains(a));
    let v4 = first(true).and_then(|address| match address {
        IpAddr::V4(a) => free(&|n| Ipv4Addr::from_bits(a.to_bits() & !0xff | u32::from(n)).into()),
        IpAddr::V6(_) => None,
    });
    let v6 = first(false).and_then(|address| match address {
        IpAddr::V6(a) => {
            free(&|n| Ipv6Addr::from_bits(a.to_bits() & !u128::from(u64::MAX) | u128::from(n)).into())
        }
        IpAddr::V4(_) => None,
    });
    v4.into_iter().chain(v6).collect()
}

fn device() -> String {
    format!("link set {DEVICE} up\n")
}

fn address_line(address: IpAddr) -> String {
    match address {
        IpAddr::V4(a) => format!("addr replace {a}/32 dev {DEVICE}\n"),
        IpAddr::V6(a) => format!("addr replace {a}/128 dev {DEVICE} nodad\n"),
    }
}

fn route(to: IpAddr, own: &[IpAddr]) -> String {
    if !own.iter().any(|a| a.is_ipv4() == to.is_ipv4()) {
        return String::new();
    }
    format!("route replace {to} dev {DEVICE}{}\n", source(to, own))
}

fn source(to: IpAddr, own: &[IpAddr]) -> String {
    own.iter().find(|a| a.is_ipv4() == to.is_ipv4()).map_or_else(String::new, |a| format!(" src {a}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes() -> BTreeMap<String, LabNode> {
        let node = |n: u16| LabNode {
            addresses: vec![
                format!("172.30.0.{n}").parse().unwrap(),
                format!("fd00:172:30::{n}").parse().unwrap(),
            ],
            pod_cidrs: vec![format!("10.244.{n}.0/24").parse().unwrap()],
            number: n,
            ..LabNode::default()
        };
        BTreeMap::from([("a".to_owned(), node(1)), ("b".to_owned(), node(2))])
    }

    #[test]
    fn gateways_are_beside_the_nodes_and_nobody_elses() {
        let expected: Vec<IpAddr> = vec!["172.30.0.3".parse().unwrap(), "fd00:172:30::3".parse().unwrap()];
        assert_eq!(gateways(&nodes()), expected);
    }

    #[test]
    fn a_node_reaches_the_others_on_the_wire_and_everything_else_by_the_gateway() {
        let text = node("a", &nodes(), &gateways(&nodes()));
        assert!(text.contains("route replace 172.30.0.2 dev eth0 src 172.30.0.1\n"), "{text}");
        assert!(
            text.contains("route replace default via fd00:172:30::3 dev eth0 src fd00:172:30::1\n"),
            "{text}"
        );
        assert!(!text.contains("10.244."), "pod CIDRs are the mesh's: {text}");
    }

    #[test]
    fn a_single_stack_node_gets_no_routes_of_the_other_family() {
        let mut nodes = nodes();
        for node in nodes.values_mut() {
            node.addresses.retain(IpAddr::is_ipv4);
        }
        let text = node("a", &nodes, &gateways(&nodes));
        assert!(!text.contains(":"), "{text}");
    }

    #[test]
    fn the_outside_knows_the_way_to_pods() {
        let text = outside(&nodes(), &gateways(&nodes()));
        assert!(text.contains("route replace 10.244.2.0/24 via 172.30.0.2 dev eth0\n"), "{text}");
    }

    #[test]
    fn long_names_fit_a_device() {
        assert_eq!(port_name("ip-10-0-0-1.eu-west-1.compute.internal", 7), "port7");
    }
}
