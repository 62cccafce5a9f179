//! Where a connection may end, once node addresses and Services have been translated as kube-proxy and portmap do.
use super::directory::Directory;
use crate::model::{Protocol, Service, TrafficPolicy};
use crate::policy::backends::Backend;
use crate::watch::queries::{Party, Resolved};
use std::net::IpAddr;

/// One way that a connection may take.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    /// Who answers, never a Service; with its address and its own port.
    pub(super) to: Party,
    pub(super) target: (IpAddr, u16),
    /// What the source's node sees the packet addressed to.
    pub(super) dialled: (IpAddr, u16),
    /// Where the address is translated, if it is.
    pub(super) translated: Translated,
    /// The destination's node cannot tell who opened it.
    pub(super) masqueraded: bool,
}

/// Where a dialled address becomes that of who answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Translated {
    /// It is the real one.
    No,
    /// On the source's node.
    Here,
    /// On the node dialled, which is not the source's.
    There,
}

/// Every leg, or why nothing would answer.
pub(super) fn legs(directory: &Directory, question: &Resolved) -> Result<Vec<Leg>, &'static str> {
    let from = directory.node_of(&question.from);
    let Some(dialled) = question.destination else {
        return Err("the Service has no address of this family");
    };
    let ctx = Ctx { directory, question, from, dialled };
    let found = match (ctx.by_address()?, &question.to) {
        (Some(legs), _) => legs,
        (None, Party::Node(node)) => ctx.by_node(node).unwrap_or_else(|| ctx.direct()),
        (None, _) => ctx.direct(),
    };
    if found.is_empty() { Err("no backend that could be used here") } else { Ok(found) }
}

struct Ctx<'a> {
    directory: &'a Directory,
    question: &'a Resolved,
    /// The source's node.
    from: Option<&'a str>,
    dialled: IpAddr,
}

impl Ctx<'_> {
    fn direct(&self) -> Vec<Leg> {
        let to = match &self.question.to {
            Party::Service(_) => self.directory.who(self.dialled),
            other => other.clone(),
        };
        let target = (self.dialled, self.question.port);
        vec![Leg { to, target, dialled: target, translated: Translated::No, masqueraded: false }]
    }

    /// A ClusterIP, an external IP or a load balancer's. A ClusterIP without such a port leads nowhere; the other two are
    /// then addresses like any other.
    fn by_address(&self) -> Result<Option<Vec<Leg>>, &'static str> {
        let owners = self.directory.services_at(self.dialled);
        let asked =
            |port: u16, protocol: Protocol| port == self.question.port && protocol == self.question.protocol;
        let entry = |s: &Service| s.ports.iter().position(|p| asked(p.port, p.protocol));
        match owners.iter().find_map(|s| entry(s).map(|e| (s, e))) {
            Some((service, entry)) => Ok(Some(self.translate(service, entry))),
            None if owners.iter().any(|s| s.cluster_ips.contains(&self.dialled)) => {
                Err("the Service has no such port")
            }
            None => Ok(None),
        }
    }

    fn translate(&self, service: &Service, entry: usize) -> Vec<Leg> {
        let cluster_ip = service.cluster_ips.contains(&self.dialled);
        let near_only = cluster_ip && service.internal_traffic_policy == TrafficPolicy::Local;
        let outside = self.question.from == Party::Outside;
        let masqueraded = outside && service.external_traffic_policy == TrafficPolicy::Cluster;
        let legs = self.backends(service, entry).map(|b| self.leg(b, Translated::Here, masqueraded));
        legs.filter(|leg| !near_only || self.node_of(leg) == self.from).collect()
    }

    /// A NodePort, else a host port.
    fn by_node(&self, node: &str) -> Option<Vec<Leg>> {
        let port = (self.question.port, self.question.protocol);
        let translated = if self.from == Some(node) { Translated::Here } else { Translated::There };
        if let Some((service, entry)) = self.directory.at_node_port(port) {
            return Some(self.at_node_port(service, *entry, node, translated));
        }
        let (pod, port) = self.directory.at_host_port(node, port)?;
        let target = pod.addresses.iter().find(|a| a.is_ipv4() == self.dialled.is_ipv4())?;
        Some(vec![Leg {
            to: Party::Pod(pod.name.clone()),
            target: (*target, *port),
            dialled: (self.dialled, self.question.port),
            translated,
            masqueraded: translated == Translated::There && self.unproven(),
        }])
    }

    fn at_node_port(&self, service: &Service, entry: usize, node: &str, translated: Translated) -> Vec<Leg> {
        let outside = self.question.from == Party::Outside;
        let away = translated == Translated::There;
        let local = away && service.external_traffic_policy == TrafficPolicy::Local;
        let legs = self.backends(service, entry).map(|b| {
            let leg = self.leg(b, translated, false);
            // Its own node knows the client; a third node, to which it is forwarded, does not.
            let nobody = !local && (outside || self.node_of(&leg) != Some(node));
            let masqueraded = away && (nobody || self.unproven());
            Leg { masqueraded, ..leg }
        });
        legs.filter(|leg| !local || self.node_of(leg) == Some(node)).collect()
    }

    /// A node that dials another node does so outside the mesh, where nobody vouches for its address.
    fn unproven(&self) -> bool {
        matches!(self.question.from, Party::Node(_))
    }

    fn backends(&self, service: &Service, entry: usize) -> impl Iterator<Item = &Backend> {
        self.directory.backends(service, entry, self.dialled.is_ipv6())
    }

    fn leg(&self, backend: &Backend, translated: Translated, masqueraded: bool) -> Leg {
        Leg {
            to: self.directory.who(backend.address),
            target: (backend.address, backend.port),
            dialled: (self.dialled, self.question.port),
            translated,
            masqueraded,
        }
    }

    fn node_of(&self, leg: &Leg) -> Option<&str> {
        self.directory.node_of(&leg.to)
    }
}
