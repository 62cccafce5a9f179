//! Addresses and node ports of Services that have none yet.
use super::Options;
use super::error::LoadError;
use super::gather::Gathered;
use super::place::nth;
use crate::model::{ObjectName, Problem};
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `--service-cluster-ip-range` of a cluster that names no ClusterIPs.
const V4: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 96, 0, 0), 16);
/// The same for IPv6.
const V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 0), 112);
/// The lowest are left to the `kubernetes` Service and DNS, which name theirs.
const FIRST: u128 = 16;
/// The API server's default `--service-node-port-range`.
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

/// Gives ClusterIPs to Services that name none (of the cluster's families, unless ipFamilies or SingleStack say otherwise), and
/// node ports to the ports of NodePort and LoadBalancer Services that name none; those of `previous` where it has them.
///
/// # Errors
/// If the ranges are used up.
pub(super) fn complete(all: &mut Gathered, options: Options<'_>, errors: &mut Vec<LoadError>) {
    let networks =
        [Ipv4Network::new(V4.0, V4.1).map(IpNetwork::V4), Ipv6Network::new(V6.0, V6.1).map(IpNetwork::V6)];
    let [Ok(v4), Ok(v6)] = networks else { return };
    let services = || all.services.values().map(|s| &s.value.service);
    let mut ips: BTreeSet<IpAddr> = services().flat_map(|s| s.cluster_ips.clone()).collect();
    let mut ports: BTreeSet<u16> = services().flat_map(|s| &s.ports).filter_map(|p| p.node_port).collect();
    let old =
        |name: &ObjectName| options.previous.and_then(|p| p.services.get(name)).map(|s| s.value.clone());
    for keep in [true, false] {
        for (name, draft) in all.services.iter_mut().filter(|(_, d)| !d.value.addressless) {
            let old = old(name).filter(|_| keep);
            let cluster = options.families.ipv4();
            let mut wanted =
                if draft.value.ipv4.is_empty() { cluster.to_vec() } else { draft.value.ipv4.clone() };
            wanted.truncate(if draft.value.single_stack { 1 } else { 2 });
            let service = &mut draft.value.service;
            if service.cluster_ips.is_empty() {
                let kept =
                    old.iter().flat_map(|o| &o.cluster_ips).filter(|ip| wanted.contains(&ip.is_ipv4()));
                service.cluster_ips = kept.filter(|ip| ips.insert(**ip)).copied().collect();
            }
            if service.cluster_ips.is_empty() && !keep {
                for ipv4 in wanted {
                    let network = if ipv4 { v4 } else { v6 };
                    let free = (FIRST..).map_while(|n| nth(network, n)).find(|ip| !ips.contains(ip));
                    match free {
                        Some(ip) => {
                            ips.insert(ip);
                            service.cluster_ips.push(ip);
                        }
                        None => {
                            errors.push(exhausted(name, "spec.clusterIPs", format!("{network} is used up")))
                        }
                    }
                }
            }
            if !draft.value.node_ports {
                continue;
            }
            for port in service.ports.iter_mut().filter(|p| p.node_port.is_none()) {
                let same =
                    |o: &&crate::model::ServicePort| o.port == port.port && o.protocol == port.protocol;
                let kept = old.as_ref().and_then(|o| o.ports.iter().find(same)).and_then(|o| o.node_port);
                port.node_port = kept.filter(|p| ports.insert(*p));
                if port.node_port.is_none() && !keep {
                    port.node_port = NODE_PORTS.into_iter().find(|p| ports.insert(*p));
                    if port.node_port.is_none() {
                        errors.push(exhausted(name, "spec.ports", "all node ports are used up".to_owned()));
                    }
                }
            }
        }
    }
}

fn exhausted(name: &ObjectName, field: &str, message: String) -> LoadError {
    let (kind, object, field) = ("Service".to_owned(), name.clone(), field.to_owned());
    LoadError::Object(Box::new(Problem { source: "defaults".to_owned(), kind, object, field, message }))
}
