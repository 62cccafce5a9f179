//! Who has which address. Everything is inside of the cluster's own namespaces, so that clusters have the same.
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Which kinds of addresses nodes, pods and Services have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum, Default)]
#[serde(rename_all = "lowercase")]
pub enum Families {
    /// IPv4 alone
    #[default]
    Ipv4,
    /// IPv6 alone
    Ipv6,
    /// Both, IPv4 first
    Dual,
}

/// The name of the cluster's DNS domain.
pub(super) const DOMAIN: &str = "cluster.local";

impl Families {
    fn pick<T>(self, v4: T, v6: T) -> Vec<T> {
        match self {
            Self::Ipv4 => vec![v4],
            Self::Ipv6 => vec![v6],
            Self::Dual => vec![v4, v6],
        }
    }

    /// Addresses of the machine that runs the control plane, the first one the API server's.
    pub fn control_plane(self) -> Vec<String> {
        self.pick("10.88.0.1".to_owned(), "fd00:88::1".to_owned())
    }

    /// Addresses of a node; nodes count from 1.
    pub fn node(self, number: u8) -> Vec<String> {
        let last = u16::from(number) + 10;
        self.pick(format!("10.88.0.{last}"), format!("fd00:88::{last}"))
    }

    /// Prefix lengths of the network between nodes, in the order of their addresses.
    pub fn underlay_prefixes(self) -> Vec<u8> {
        self.pick(16, 64)
    }

    /// The network between nodes.
    pub fn underlay(self) -> Vec<String> {
        self.pick("10.88.0.0/16".to_owned(), "fd00:88::/64".to_owned())
    }

    /// A node's pod CIDRs.
    pub fn pods_of(self, number: u8) -> Vec<String> {
        self.pick(format!("10.244.{number}.0/24"), format!("fd00:244:0:{number:x}::/64"))
    }

    /// Pod CIDRs of the whole cluster.
    pub fn pods(self) -> Vec<String> {
        self.pick("10.244.0.0/16".to_owned(), "fd00:244::/48".to_owned())
    }

    /// CIDRs of ClusterIPs.
    pub fn services(self) -> Vec<String> {
        self.pick("10.96.0.0/16".to_owned(), "fd00:96::/112".to_owned())
    }

    /// Addresses of the Service `kubernetes`: the first of each range.
    pub fn api_services(self) -> Vec<String> {
        self.pick("10.96.0.1".to_owned(), "fd00:96::1".to_owned())
    }

    /// Where cluster DNS would be.
    pub fn dns(self) -> Vec<String> {
        self.pick("10.96.0.10".to_owned(), "fd00:96::a".to_owned())
    }
}

/// A node's name.
pub fn node_name(number: u8) -> String {
    format!("node-{number}")
}

/// An address as it stands in a URL.
pub(super) fn in_url(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dual_stack_cluster_has_both_kinds_in_the_same_order_everywhere() {
        let dual = Families::Dual;
        let lists = [dual.node(3), dual.pods_of(3), dual.pods(), dual.services(), dual.api_services()];
        for list in lists {
            assert!(!list[0].contains(':') && list[1].contains(':'), "{list:?}");
        }
    }

    #[test]
    fn an_address_of_ipv6_is_bracketed_in_urls() {
        assert_eq!(in_url("fd00::1"), "[fd00::1]");
        assert_eq!(in_url("10.0.0.1"), "10.0.0.1");
    }
}
