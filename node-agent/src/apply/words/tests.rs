use super::script;
use crate::mesh::spec::WordsSpec;

fn addresses(all: &[&str]) -> std::collections::BTreeSet<std::net::IpAddr> {
    all.iter().map(|address| address.parse().unwrap()).collect()
}

#[test]
fn other_nodes_reach_the_agent_and_nobody_else_on_the_mesh_does() {
    let words = WordsSpec {
        own: addresses(&["192.0.2.1", "2001:db8::1"]),
        others: addresses(&["192.0.2.2", "192.0.2.3", "2001:db8::2"]),
    };
    let text = script(&words, false);
    let rules: Vec<&str> = text.lines().collect();
    let at =
        |rule: &str| rules.iter().position(|line| *line == rule).unwrap_or_else(|| panic!("{rule}: {text}"));
    for (own, others) in [
        ("ip daddr { 192.0.2.1/32 }", "ip saddr { 192.0.2.2/32, 192.0.2.3/32 }"),
        ("ip6 daddr { 2001:db8::1/128 }", "ip6 saddr { 2001:db8::2/128 }"),
    ] {
        let passes = at(&format!("udp dport 51873 {own} {others} notrack accept"));
        let dropped = at(&format!("udp dport 51873 {own} counter name \"strangers\" drop"));
        assert!(at("iifname != { \"rf-wg0\", \"rf-wg1\" } accept") < passes && passes < dropped, "{text}");
    }
    // What was counted stays when nodes come and go.
    assert!(!text.contains("delete table") && script(&words, true).contains("delete table"), "{text}");
}

#[test]
fn only_root_speaks_to_other_nodes_agents_and_is_not_translated() {
    let words =
        WordsSpec { own: addresses(&["192.0.2.1"]), others: addresses(&["192.0.2.2", "2001:db8::2"]) };
    let text = script(&words, false);
    let drops = "udp dport 51873 ip daddr { 192.0.2.2/32 } meta skuid != 0 counter name \"impostors\" drop\n";
    let untracked = "udp dport 51873 ip daddr { 192.0.2.2/32 } ip saddr { 192.0.2.1/32 } notrack\n";
    let (drops, untracked) = (text.find(drops), text.find(untracked));
    assert!(drops.is_some() && drops < untracked, "{text}");
    // Of a family that this node has no address of, nothing is said here.
    assert!(!text.contains("ip6 daddr { 2001:db8::2/128 } ip6 saddr"), "{text}");
}

#[test]
fn what_a_translation_makes_a_word_of_is_sieved_as_well() {
    let words = WordsSpec { own: addresses(&["192.0.2.1"]), others: addresses(&["192.0.2.2"]) };
    let text = script(&words, false);
    let leaving = text.split("chain ").find(|chain| chain.starts_with("leaving {")).unwrap();
    assert!(leaving.contains("type filter hook postrouting priority 300;"), "{text}");
    let drops = "udp dport 51873 ip daddr { 192.0.2.2/32 } meta skuid != 0 counter name \"impostors\" drop\n";
    assert!(leaving.contains(drops) && !leaving.contains("notrack"), "{text}");
}
