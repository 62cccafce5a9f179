//! The world outside: every address that is not the cluster's. Who is asked there answers on every port; who asks from
//! there is given the address as its own.
use ipnetwork::IpNetwork;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;

/// Port of the responder that answers for all of the outside, TCP and UDP.
pub(super) const PORT: u16 = 7;

/// A ruleset that hands everything sent to an address outside `cluster` to the outside's own responder, whatever its
/// port. What is the cluster's own is forwarded: a leak arrives, so that a test sees it.
pub(super) fn ruleset(cluster: &BTreeSet<IpNetwork>, gateways: &[IpAddr]) -> String {
    let set = |v4: bool| {
        let elements: Vec<String> =
            cluster.iter().filter(|c| c.is_ipv4() == v4).map(ToString::to_string).collect();
        if elements.is_empty() { String::new() } else { format!("elements = {{ {} }}", elements.join(", ")) }
    };
    let mut rules = String::new();
    for gateway in gateways {
        let (family, at) = match gateway {
            IpAddr::V4(a) => ("ip", a.to_string()),
            IpAddr::V6(a) => ("ip6", format!("[{a}]")),
        };
        for protocol in ["tcp", "udp"] {
            let _ = writeln!(rules, "meta l4proto {protocol} dnat {family} to {at}:{PORT}");
        }
        let other = if gateway.is_ipv4() { "icmp" } else { "ipv6-icmp" };
        let family_only = if gateway.is_ipv4() { "ipv4" } else { "ipv6" };
        let _ = writeln!(
            rules,
            "meta nfproto {family_only} meta l4proto {{ sctp, {other} }} dnat {family} to {gateway}"
        );
    }
    format!(
        "table inet lab-outside\n\
         delete table inet lab-outside\n\
         table inet lab-outside {{\n\
         set cluster4 {{ type ipv4_addr; flags interval; auto-merge; {} }}\n\
         set cluster6 {{ type ipv6_addr; flags interval; auto-merge; {} }}\n\
         chain prerouting {{ type nat hook prerouting priority dstnat;\n\
         ip daddr @cluster4 accept\n\
         ip6 daddr @cluster6 accept\n\
         ip6 daddr fe80::/10 accept\n\
         {rules}}}\n}}\n",
        set(true),
        set(false)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_clusters_is_never_answered_outside() {
        let cluster = BTreeSet::from(["10.244.1.0/24".parse().unwrap(), "fd00::/64".parse().unwrap()]);
        let text = ruleset(&cluster, &["172.30.0.1".parse().unwrap(), "fd00::1".parse().unwrap()]);
        assert!(text.contains(
            "set cluster4 { type ipv4_addr; flags interval; auto-merge; elements = { 10.244.1.0/24 } }"
        ));
        let accept = text.find("ip daddr @cluster4 accept").unwrap();
        assert!(accept < text.find("dnat ip to 172.30.0.1:7").unwrap());
        assert!(text.contains("meta l4proto tcp dnat ip6 to [fd00::1]:7"));
    }
}
