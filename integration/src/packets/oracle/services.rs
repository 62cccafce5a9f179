//! Where an address and port lead, by Services and host ports.
use super::ends::{Known, Who};
use super::policy::Ends;
use crate::evaluator::{Backend, Family, ServicePort};
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
    /// What an address and port of a protocol stand for, for somebody whose packets come to node `at` first; `inside`: it
    /// is the node itself or one of its pods.
    pub(super) fn dialled(
        &self,
        (at, inside): (&str, bool),
        address: IpAddr,
        port: u16,
        protocol: u8,
    ) -> Dialled {
        let name = match protocol {
            6 => "TCP",
            17 => "UDP",
            132 => "SCTP",
            _ => "",
        };
        let family = Family::of(address);
        let asked = |p: &&ServicePort, number: Option<u16>| number == Some(port) && p.protocol == name;
        let node = self.cluster.node_at(address);
        for service in &self.cluster.services {
            let internal = service.cluster_ips.contains(&address);
            let external = service.external_ips.contains(&address);
            let mut ports = service.ports.iter();
            let own = ports.find(|p| {
                ((internal || external) && asked(p, Some(p.port)))
                    || (node.is_some() && asked(p, p.node_port))
            });
            let Some(own) = own else { continue };
            // Local: the backends of the node that translates, save for that node's own clients.
            let near = match (internal, node) {
                (true, _) => service.internal_local.then_some(at),
                (false, Some(node)) => {
                    let away = service.local && !(inside && node.name == at);
                    away.then_some(node.name.as_str())
                }
                (false, None) => (service.local && !inside).then_some(at),
            };
            let on = |b: &&Backend| self.node_of(&self.who(b.address));
            let usable = own.backends.iter().filter(|b| {
                Family::of(b.address) == family && near.is_none_or(|near| on(b).as_deref() == Some(near))
            });
            return Dialled::OneOf(usable.map(|b| (b.address, b.port)).collect());
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
        match self.cluster.services.iter().any(|s| s.cluster_ips.contains(&address)) {
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
        Ends { from: from.clone(), source, to: self.who(target), target, unknown, away, lawless: false }
    }
}
