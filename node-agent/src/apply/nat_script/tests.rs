//! What the script says, line by line. That nft takes it, and what it does to packets, the lab tests show.
use super::*;

fn nat() -> NatSpec {
    let nets = |all: &[&str]| all.iter().map(|net| net.parse().unwrap()).collect();
    let ips = |all: &[&str]| all.iter().map(|ip| ip.parse().unwrap()).collect();
    NatSpec {
        cluster_pod_cidrs: nets(&["10.244.0.0/16", "fd00:10:244::/48"]),
        local_pod_cidrs: nets(&["10.244.1.0/24", "fd00:10:244:1::/64"]),
        node_addresses: ips(&["192.0.2.1", "2001:db8::1"]),
        preferred_sources: ips(&["192.0.2.1", "2001:db8::1"]),
        peer_addresses: ips(&["192.0.2.2", "10.244.9.9"]),
        transit: ips(&["10.244.1.1", "fd00:10:244:1::1"]),
        local_pods: ips(&["10.244.1.5", "10.244.1.6", "fd00:10:244:1::5"]),
    }
}

fn chain(script: &str, name: &str) -> Vec<String> {
    let body = script.split(&format!("chain {name} {{\n")).nth(1).unwrap();
    body.lines().take_while(|line| *line != "}").map(str::to_owned).collect()
}

#[test]
fn the_table_is_replaced_in_one_transaction_also_where_there_is_none() {
    assert!(
        script(&nat())
            .starts_with("table inet ringfence\ndelete table inet ringfence\ntable inet ringfence {\n")
    );
}

#[test]
fn onto_the_mesh_the_node_has_its_address_a_pod_its_own_and_anyone_else_the_gateways() {
    assert_eq!(
        chain(&script(&nat()), "mesh"),
        [
            "meta nfproto ipv4 fib saddr type local snat ip to 192.0.2.1",
            "ip saddr { 10.244.1.0/24 } snat ip to ip saddr",
            "meta nfproto ipv4 snat ip to 10.244.1.1",
            "meta nfproto ipv6 fib saddr type local snat ip6 to 2001:db8::1",
            "ip6 saddr { fd00:10:244:1::/64 } snat ip6 to ip6 saddr",
            "meta nfproto ipv6 snat ip6 to fd00:10:244:1::1",
        ]
    );
}

#[test]
fn only_what_is_neither_pod_nor_node_nor_multicast_is_masqueraded() {
    let lines = chain(&script(&nat()), "postrouting");
    let masquerades: Vec<&String> = lines.iter().filter(|line| line.contains("masquerade")).collect();
    assert_eq!(
        masquerades,
        [
            // 10.244.9.9 lies within the cluster's CIDR: nft would refuse it beside that.
            "ip saddr { 10.244.1.0/24 } ip daddr != { 10.244.0.0/16, 192.0.2.1/32, 192.0.2.2/32, 224.0.0.0/4, \
             255.255.255.255/32 } masquerade",
            "ip6 saddr { fd00:10:244:1::/64 } ip6 daddr != { 2001:db8::1/128, fd00:10:244::/48, fe80::/10, ff00::/8 } \
             masquerade",
        ]
    );
}

#[test]
fn that_no_agent_listens_is_not_told_in_the_clear() {
    assert_eq!(
        chain(&script(&nat()), "quiet"),
        [
            "type filter hook output priority 0; policy accept;",
            "icmp type destination-unreachable @th,136,8 17 @th,240,16 51873 drop",
            "icmpv6 type destination-unreachable @th,112,8 17 @th,400,16 51873 drop",
        ]
    );
}

#[test]
fn hairpins_are_left_to_kube_proxy_before_anything_else() {
    let text = script(&nat());
    assert!(text.contains("elements = { 10.244.1.5 . 10.244.1.5, 10.244.1.6 . 10.244.1.6 }"));
    assert!(text.contains("elements = { fd00:10:244:1::5 . fd00:10:244:1::5 }"));
    let lines = chain(&text, "postrouting");
    assert_eq!(lines[1], "ip saddr . ip daddr @hairpin4 return");
    assert_eq!(lines[2], "ip6 saddr . ip6 daddr @hairpin6 return");
    assert_eq!(lines[3], "oifname { \"rf-wg0\", \"rf-wg1\" } jump mesh");
}

#[test]
fn a_family_without_pods_has_no_rules_of_its_own() {
    let mut nat = nat();
    nat.local_pod_cidrs.retain(|cidr| cidr.is_ipv4());
    nat.transit.retain(|address| address.is_ipv4());
    nat.local_pods.clear();
    let text = script(&nat);
    assert!(!text.contains("ip6 saddr {") && !text.contains("elements"), "{text}");
    // The node's own packets are nobody else's, and there is no gateway to stand in for others.
    assert!(text.contains("meta nfproto ipv6 snat ip6 to 2001:db8::1"));
    let none = script(&NatSpec::default());
    assert_eq!(chain(&none, "mesh"), Vec::<String>::new());
}
