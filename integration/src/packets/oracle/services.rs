//! Where an address and port lead, by Services and host ports.
use super::ends::{Known, Who};
use super::policy::Ends;
use crate::evaluator::Family;
use std::net::IpAddr;

/// What a destination stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Dialled {
    /// Itself.
    Itself,
    /// One of these, chosen by whoever translates it.
    OneOf(Vec<(IpAddr, u16)>),
    /// A Service's address, but none of its ports.
    Nothing,
}

impl Known {
    /// What an address and port of a protocol stand for.
    pub(super) fn dialled(&self, address: IpAddr, port: u16, protocol: u8) -> Dialled {
        let name = match protocol {
            6 => "TCP",
            17 => "UDP",
            132 => "SCTP",
            _ => "",
        };
        let family = Family::of(address);
        let services = &self.cluster.services;
        let own = |ips: &[IpAddr]| ips.contains(&address);
        let at_address = services.iter().filter(|s| own(&s.cluster_ips) || own(&s.external_ips));
        let mut entries: Vec<_> =
            at_address.flat_map(|s| &s.ports).filter(|p| p.port == port && p.protocol == name).collect();
        let node = self.cluster.node_at(address);
        if node.is_some() {
            let ports = services.iter().flat_map(|s| &s.ports);
            entries.extend(ports.filter(|p| p.node_port == Some(port) && p.protocol == name));
        }
        if let Some(entry) = entries.first() {
            let of_family = entry.backends.iter().filter(|b| Family::of(b.address) == family);
            return Dialled::OneOf(of_family.map(|b| (b.address, b.port)).collect());
        }
        if let Some(node) = node {
            let pods = self.cluster.pods.iter().filter(|p| p.node == node.name && !p.host_network);
            for pod in pods {
                let mut ports = pod.ports.iter().filter(|p| p.host_port == Some(port) && p.protocol == name);
                if let (Some(found), Some(address)) = (ports.next(), pod.address(family)) {
                    return Dialled::OneOf(vec![(address, found.port)]);
                }
            }
        }
        match services.iter().any(|s| own(&s.cluster_ips)) {
            true => Dialled::Nothing,
            false => Dialled::Itself,
        }
    }

    /// Real ends of a packet from somebody to what it dialled. `replaced`: its source was on the way.
    pub(super) fn ends(
        &self,
        from: &Who,
        source: IpAddr,
        (dialled, target): (IpAddr, IpAddr),
        replaced: bool,
    ) -> Ends {
        let at = self.node_of(from);
        let away =
            matches!(self.who(dialled), Who::Node(node) if dialled != target && at.as_ref() != Some(&node));
        let unknown = match self.who(dialled) {
            Who::Node(node) if dialled != target && at.as_ref() != Some(&node) => {
                // From node to node it does not cross the mesh, so nobody vouches for the source.
                replaced || matches!(from, Who::Node(_))
            }
            _ => dialled != target && replaced && *from == Who::Outside,
        };
        Ends { from: from.clone(), source, to: self.who(target), target, unknown, away }
    }
}
