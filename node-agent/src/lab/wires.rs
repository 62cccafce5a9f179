//! Machines on the underlay.
use super::machine::Machine;
use super::namespaces::Depth;
use super::{Lab, LabError, outside, services, underlay};
use crate::watch::directory::Loaded;
use ipnetwork::IpNetwork;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;
use std::process::Command;

/// The machine that holds the bridge.
pub const UNDERLAY: &str = "underlay";
/// The machine that is the rest of the world.
pub const OUTSIDE: &str = "outside";

/// What a router does.
const FORWARD: [&str; 2] = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"];
/// Which of several nodes a connection goes to depends on its ports too.
const BY_PORTS: [&str; 2] = ["net/ipv4/fib_multipath_hash_policy", "net/ipv6/fib_multipath_hash_policy"];

impl Lab {
    /// Pulls a machine's plug. The kernel does so by itself some time after the machine's end.
    pub(super) fn unplug(&self, name: &str, number: u16) -> Result<(), LabError> {
        let port = underlay::port_name(name, number);
        let mut command = Command::new("ip");
        // Already gone: as well.
        let gone = self.machine(UNDERLAY)?.run(Depth::Network, command.args(["link", "delete", &port]), "");
        gone.map(drop).or(Ok(()))
    }

    /// Gives machines a port of the bridge each. The bridge is new if `first`.
    pub(super) fn plug(&self, names: &[&str], first: bool) -> Result<(), LabError> {
        let mut lines = if first { underlay::bridge() } else { String::new() };
        for name in names {
            let number = self.nodes.get(*name).map_or(underlay::OUTSIDE, |node| node.number);
            lines += &underlay::port(name, number, self.machine(name)?.init.pid);
        }
        // The bridge's network alone is entered: machines' process numbers mean something only on the host.
        self.machine(UNDERLAY)?.ip(Depth::Network, &lines)
    }

    /// A node's addresses and routes.
    pub(super) fn address_node(&self, name: &str) -> Result<(), LabError> {
        let machine = self.machine(name)?;
        write_settings(machine, &FORWARD)?;
        machine.ip(Depth::Machine, &underlay::node(name, &self.nodes, &self.gateways))
    }

    /// The outside's addresses and routes, and that it answers.
    pub(super) fn address_outside(&self, cluster: &Loaded) -> Result<(), LabError> {
        let machine = self.machine(OUTSIDE)?;
        write_settings(machine, &FORWARD)?;
        write_settings(machine, &BY_PORTS)?;
        machine.ip(Depth::Machine, &underlay::outside(&self.nodes, &self.gateways))?;
        self.update_outside(cluster)
    }

    /// Tells the outside what has become of the cluster.
    pub(super) fn update_outside(&self, cluster: &Loaded) -> Result<(), LabError> {
        let machine = self.machine(OUTSIDE)?;
        let services = services::entries(&cluster.snapshot());
        let mut inside: BTreeSet<IpNetwork> = self.nodes.values().flat_map(|n| n.pod_cidrs.clone()).collect();
        inside.extend(self.nodes.values().flat_map(|n| n.addresses.iter().copied().map(IpNetwork::from)));
        for entry in &services {
            inside.extend(entry.cluster_ips.iter().chain(&entry.external_ips).copied().map(IpNetwork::from));
        }
        let mut lines = underlay::outside_routes(&self.nodes, &self.gateways);
        for entry in &services {
            for address in entry.cluster_ips.iter().chain(&entry.external_ips) {
                let external = entry.external_ips.contains(address);
                lines += &self.service_route(*address, &entry.takers(external, self.nodes.keys()));
            }
        }
        machine.ip(Depth::Machine, &lines)?;
        machine.nft(&outside::ruleset(&inside, &self.gateways))
    }

    /// A route to a Service's address over all of these nodes, chosen by connection, as a load balancer would.
    fn service_route(&self, address: IpAddr, nodes: &[&String]) -> String {
        let of_family = |list: &[IpAddr]| list.iter().find(|a| a.is_ipv4() == address.is_ipv4()).copied();
        let via: Vec<IpAddr> =
            nodes.iter().filter_map(|n| of_family(&self.nodes.get(*n)?.addresses)).collect();
        let mut line = match via[..] {
            [] => return String::new(),
            [one] => format!("route replace {address} via {one}"),
            _ => format!("route replace {address}"),
        };
        if via.len() > 1 {
            for via in via {
                let _ = write!(line, " nexthop via {via}");
            }
        }
        line + "\n"
    }

    /// Every node's Services.
    pub(super) fn update_services(&self, cluster: &Loaded) -> Result<(), LabError> {
        let entries = services::entries(&cluster.snapshot());
        let pods = super::cluster::pod_cidrs(cluster);
        for name in self.nodes.keys() {
            let machine = self.machine(name)?;
            if machine.init.alive() {
                machine.nft(&services::ruleset(&entries, name, &pods))?;
            }
        }
        Ok(())
    }

    /// Tells the other machines of nodes that came or went.
    pub(super) fn update_routes(&self) -> Result<(), LabError> {
        for (name, node) in &self.nodes {
            let machine = self.machine(name)?;
            if machine.init.alive() {
                machine.ip(Depth::Machine, &underlay::others(name, &self.nodes, &node.addresses))?;
            }
        }
        Ok(())
    }
}

fn write_settings(machine: &Machine, names: &[&str]) -> Result<(), LabError> {
    machine.enter(Depth::Machine, || {
        for name in names {
            let path = std::path::Path::new("/proc/sys").join(name);
            // A kernel without IPv6 has none of its settings.
            if path.exists() {
                std::fs::write(&path, "1")
                    .map_err(|e| std::io::Error::new(e.kind(), format!("{name}: {e}")))?;
            }
        }
        Ok(())
    })
}
