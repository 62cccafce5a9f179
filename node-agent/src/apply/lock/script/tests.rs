//! What the script says, line by line. That nft takes it, and what it does to packets, the lab tests show.
use super::*;

fn lock() -> LockSpec {
    let nets = |all: &[&str]| all.iter().map(|net| net.parse().unwrap()).collect();
    LockSpec {
        cluster: nets(&["10.244.0.0/16", "10.9.0.0/24", "fd00:10:244::/48"]),
        local: nets(&["10.244.1.0/24", "fd00:10:244:1::/64"]),
        nodes: ["192.0.2.2", "10.244.9.9", "2001:db8::2"].iter().map(|ip| ip.parse().unwrap()).collect(),
    }
}

fn chain(script: &str, name: &str) -> Vec<String> {
    let body = script.split(&format!("chain {name} {{\n")).nth(1).unwrap();
    body.lines().take_while(|line| *line != "}").map(str::to_owned).collect()
}

#[test]
fn rules_are_replaced_in_one_transaction_and_what_was_counted_stays() {
    let text = script(&lock(), false);
    let head = "table inet ringfence-lock\nflush table inet ringfence-lock\ntable inet ringfence-lock {\n";
    assert!(text.starts_with(&format!("{head}counter plaintext {{ }}\n")), "{text}");
    assert!(!text.contains("delete"));
    assert!(
        script(&lock(), true).starts_with("table inet ringfence-lock\ndelete table inet ringfence-lock\n")
    );
}

#[test]
fn only_the_mesh_leads_to_other_nodes_pods_and_a_node_within_their_networks_is_a_node() {
    assert_eq!(
        chain(&script(&lock(), false), "postrouting"),
        [
            "type filter hook postrouting priority 98; policy accept;",
            "oifname { \"rf-wg0\", \"rf-wg1\", \"lo\" } accept",
            "ip daddr { 10.244.9.9, 192.0.2.2 } goto nodes_ip",
            "ip daddr { 10.244.1.0/24 } accept",
            "ip daddr { 10.9.0.0/24, 10.244.0.0/16 } goto caught",
            "ip6 daddr { 2001:db8::2 } goto nodes_ip6",
            "ip6 daddr { fd00:10:244:1::/64 } accept",
            "ip6 daddr { fd00:10:244::/48 } goto caught",
        ]
    );
}

#[test]
fn neither_local_pods_nor_what_came_off_the_mesh_reach_nodes_beside_it() {
    let text = script(&lock(), false);
    assert_eq!(chain(&text, "nodes_ip"), ["ip saddr { 10.244.1.0/24 } goto caught"]);
    assert_eq!(chain(&text, "nodes_ip6"), ["ip6 saddr { fd00:10:244:1::/64 } goto caught"]);
    assert_eq!(
        chain(&text, "forward"),
        [
            "type filter hook forward priority filter; policy accept;",
            "iifname != { \"rf-wg0\", \"rf-wg1\" } accept",
            "oifname { \"rf-wg0\", \"rf-wg1\" } accept",
            "ip daddr { 10.244.9.9, 192.0.2.2 } goto caught",
            "ip6 daddr { 2001:db8::2 } goto caught",
        ]
    );
    assert_eq!(chain(&text, "caught"), ["counter name \"plaintext\" drop"]);
}

#[test]
fn only_of_what_is_forwarded_the_device_it_came_from_is_asked() {
    // The kernel's WireGuard sends its own packets as if they came from its device.
    let text = script(&lock(), false);
    assert_eq!(text.matches("iifname").count(), 1, "{text}");
    assert!(chain(&text, "forward")[1].contains("iifname"));
}

#[test]
fn a_family_without_pods_and_nodes_is_let_alone() {
    let text = script(&LockSpec::default(), false);
    assert_eq!(chain(&text, "postrouting").len(), 2, "{text}");
}
