//! Where a connection may end, once node addresses and Services have been translated as kube-proxy and portmap do.
use super::VerdictError;
use crate::desired::Snapshot;
use crate::model::{ObjectName, Protocol, Service, ServicePort, TrafficPolicy};
use crate::policy::backends::{Backend, backends};
use crate::policy::question::{Party, Question};
use std::net::IpAddr;

/// One way that a connection may take.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    /// Who answers, never a Service, and its own port.
    pub(super) to: Party,
    pub(super) port: u16,
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

/// Every leg; none if nothing would answer.
pub(super) fn legs(
    snapshot: &Snapshot,
    question: &Question,
    from: Source<'_>,
) -> Result<Vec<Leg>, VerdictError> {
    let ctx = Ctx { snapshot, question, from };
    let dialled = match &question.to {
        Party::Service(name) => return ctx.by_name(name),
        Party::Pod(_, address) | Party::Node(_, address) | Party::Outside(address) => *address,
    };
    if from.address.is_ipv4() != dialled.is_ipv4() {
        return Err(VerdictError::Families(from.address, dialled));
    }
    if let Some(found) = ctx.by_address(dialled) {
        return Ok(found);
    }
    if let Party::Node(node, _) = &question.to
        && let Some(found) = ctx.by_node(node, dialled)
    {
        return Ok(found);
    }
    Ok(vec![Leg {
        to: question.to.clone(),
        port: question.port,
        dialled: (dialled, question.port),
        translated: Translated::No,
        masqueraded: false,
    }])
}

/// Who asks: the address, and the node it is or is on.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) address: IpAddr,
    pub(super) node: Option<&'a str>,
}

struct Ctx<'a> {
    snapshot: &'a Snapshot,
    question: &'a Question,
    from: Source<'a>,
}

impl Ctx<'_> {
    fn is_asked(&self, port: u16, protocol: Protocol) -> bool {
        port == self.question.port && protocol == self.question.protocol
    }

    fn by_name(&self, name: &ObjectName) -> Result<Vec<Leg>, VerdictError> {
        let service =
            self.snapshot.services.get(name).ok_or_else(|| VerdictError::NoService(name.clone()))?;
        let entry = service.ports.iter().position(|p| self.is_asked(p.port, p.protocol));
        let (port, protocol) = (self.question.port, self.question.protocol);
        let entry = entry.ok_or_else(|| VerdictError::NoPort(name.clone(), port, protocol))?;
        let family = self.from.address.is_ipv4();
        let address = service.cluster_ips.iter().find(|a| a.is_ipv4() == family);
        Ok(address.map_or_else(Vec::new, |a| self.translate(service, entry, *a)))
    }

    /// A ClusterIP, an external IP or a load balancer's. A ClusterIP without such a port leads nowhere.
    fn by_address(&self, address: IpAddr) -> Option<Vec<Leg>> {
        let owns = |s: &&Service| s.cluster_ips.contains(&address) || s.external_ips.contains(&address);
        let owners = || self.snapshot.services.values().map(|s| &**s).filter(owns);
        let entry = |s: &Service| s.ports.iter().position(|p| self.is_asked(p.port, p.protocol));
        match owners().find_map(|s| entry(s).map(|e| (s, e))) {
            Some((service, entry)) => Some(self.translate(service, entry, address)),
            None => owners().any(|s| s.cluster_ips.contains(&address)).then(Vec::new),
        }
    }

    /// A NodePort, else a host port.
    fn by_node(&self, node: &str, address: IpAddr) -> Option<Vec<Leg>> {
        for service in self.snapshot.services.values() {
            let asked = |p: &ServicePort| p.node_port.is_some_and(|n| self.is_asked(n, p.protocol));
            if let Some(entry) = service.ports.iter().position(asked) {
                return Some(self.at_node_port(service, entry, node, address));
            }
        }
        let on_node =
            self.snapshot.pods.values().filter(|p| p.node.as_deref() == Some(node) && !p.host_network);
        let (pod, port) = on_node.into_iter().find_map(|pod| {
            let asked = |p: u16, of: Protocol| self.is_asked(p, of);
            let port = pod.ports.iter().find(|p| p.host_port.is_some_and(|h| asked(h, p.protocol)))?;
            Some((pod, port.port))
        })?;
        let target = pod.addresses.iter().find(|a| a.is_ipv4() == address.is_ipv4());
        let leg = |target: &IpAddr| Leg {
            to: Party::Pod(pod.name.clone(), *target),
            port,
            dialled: (address, self.question.port),
            translated: self.where_translated(node),
            masqueraded: false,
        };
        Some(target.map(leg).into_iter().collect())
    }

    fn where_translated(&self, node: &str) -> Translated {
        if self.from.node == Some(node) { Translated::Here } else { Translated::There }
    }

    fn translate(&self, service: &Service, entry: usize, address: IpAddr) -> Vec<Leg> {
        let cluster_ip = service.cluster_ips.contains(&address);
        let near_only = cluster_ip && service.internal_traffic_policy == TrafficPolicy::Local;
        let outside = matches!(self.question.from, Party::Outside(_));
        let masqueraded = outside && service.external_traffic_policy == TrafficPolicy::Cluster;
        let backends = self.backends(service, entry);
        let used =
            backends.into_iter().filter(|b| !near_only || self.node_of(b).as_deref() == self.from.node);
        used.map(|b| self.leg(&b, address, Translated::Here, masqueraded)).collect()
    }

    fn at_node_port(&self, service: &Service, entry: usize, node: &str, address: IpAddr) -> Vec<Leg> {
        let translated = self.where_translated(node);
        let outside = matches!(self.question.from, Party::Outside(_));
        let local =
            service.external_traffic_policy == TrafficPolicy::Local && translated == Translated::There;
        let mut legs = Vec::new();
        for backend in self.backends(service, entry) {
            let there = self.node_of(&backend).as_deref() == Some(node);
            if local && !there {
                continue;
            }
            // Its own node knows the client; a third node, to which it is forwarded, does not.
            let masqueraded = translated == Translated::There && !local && (outside || !there);
            legs.push(self.leg(&backend, address, translated, masqueraded));
        }
        legs
    }

    fn backends(&self, service: &Service, entry: usize) -> Vec<Backend> {
        let all = backends(service, self.snapshot).into_iter().nth(entry).unwrap_or_default();
        all.into_iter().filter(|b| b.address.is_ipv4() == self.from.address.is_ipv4()).collect()
    }

    fn leg(&self, backend: &Backend, dialled: IpAddr, translated: Translated, masqueraded: bool) -> Leg {
        Leg {
            to: who(self.snapshot, backend.address),
            port: backend.port,
            dialled: (dialled, self.question.port),
            translated,
            masqueraded,
        }
    }

    fn node_of(&self, backend: &Backend) -> Option<String> {
        match who(self.snapshot, backend.address) {
            Party::Pod(name, _) => self.snapshot.pods.get(&name).and_then(|p| p.node.clone()),
            Party::Node(name, _) => Some(name),
            Party::Outside(_) | Party::Service(_) => backend.node.clone(),
        }
    }
}

/// Who has the address: a pod for itself, a node, else somebody outside.
pub fn who(snapshot: &Snapshot, address: IpAddr) -> Party {
    let mut pods = snapshot.pods.values().filter(|p| !p.host_network);
    if let Some(pod) = pods.find(|p| p.addresses.contains(&address)) {
        return Party::Pod(pod.name.clone(), address);
    }
    match snapshot.nodes.values().find(|n| n.addresses.contains(&address)) {
        Some(node) => Party::Node(node.name.clone(), address),
        None => Party::Outside(address),
    }
}
