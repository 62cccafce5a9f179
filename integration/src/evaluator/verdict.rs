//! From a query to an answer: who the two ends are, which way the packets take, what policy says about each direction.
use std::net::IpAddr;

use anyhow::{Context, Result, bail};

use super::cluster::{Cluster, Family, Node, Pod};
use super::policy::{Direction, Seen, allowed, isolated};
use super::query::Query;
use super::service::{Way, find_by_address, find_by_node_port, judge_service, unproven};

/// Whether the connection may be opened, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Allowed.
    pub allow: bool,
    /// One line per thing that was decisive, in the order decided.
    pub reasons: Vec<String>,
}

impl Answer {
    pub(super) fn new(allow: bool, reason: impl Into<String>) -> Self {
        Self { allow, reasons: vec![reason.into()] }
    }

    /// Both must allow.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.allow &= other.allow;
        self.reasons.extend(other.reasons);
        self
    }
}

/// One end of a connection. A hostNetwork pod is its node.
#[derive(Clone, Copy, Debug)]
pub enum Party<'a> {
    /// A pod and its address.
    Pod(&'a Pod, IpAddr),
    /// A node and its address.
    Node(&'a Node, IpAddr),
    /// Any other address.
    Outside(IpAddr),
}

impl<'a> Party<'a> {
    /// Who has the address.
    pub fn at(cluster: &'a Cluster, address: IpAddr) -> Self {
        if let Some(pod) = cluster.pod_at(address) {
            return Self::Pod(pod, address);
        }
        match cluster.node_at(address) {
            Some(node) => Self::Node(node, address),
            None => Self::Outside(address),
        }
    }

    /// The pod `ns/pod` or whoever has the address literal.
    fn named(cluster: &'a Cluster, text: &str, family: Family) -> Result<Self> {
        if let Ok(address) = text.parse() {
            return Ok(Self::at(cluster, address));
        }
        let pod = pod_named(cluster, text)?;
        let address = pod.address(family).with_context(|| format!("{text} has no {family:?} address"))?;
        if pod.host_network {
            let node = cluster.node(&pod.node).with_context(|| format!("{text} is on no known node"))?;
            return Ok(Self::Node(node, address));
        }
        Ok(Self::Pod(pod, address))
    }

    /// An address for pods that no pod has.
    fn is_nobody(&self, cluster: &Cluster) -> bool {
        let address = self.address();
        matches!(self, Self::Outside(_)) && cluster.is_for_pods(address) && !cluster.is_gateway(address)
    }

    /// The node it is on or is.
    pub(super) fn node(&self) -> Option<&'a str> {
        match self {
            Self::Pod(pod, _) => Some(&pod.node),
            Self::Node(node, _) => Some(&node.name),
            Self::Outside(_) => None,
        }
    }

    pub(super) fn address(&self) -> IpAddr {
        match self {
            Self::Pod(_, address) | Self::Node(_, address) | Self::Outside(address) => *address,
        }
    }

    fn seen(self) -> Seen<'a> {
        match self {
            Self::Pod(pod, address) => Seen::Pod(pod, address),
            Self::Node(_, address) | Self::Outside(address) => Seen::Address(address),
        }
    }
}

/// Answers the query. Fails if an end does not exist or has no address of the family, or if a policy is malformed.
pub fn evaluate(cluster: &Cluster, query: &Query) -> Result<Answer> {
    let family = family_of(cluster, query)?;
    let from = Party::named(cluster, &query.from, family)?;
    let (port, protocol) = (query.port, query.protocol.as_str());
    if from.is_nobody(cluster) {
        return Ok(Answer::new(false, "a source for pods that no pod has: nobody believes it"));
    }
    if let Some(name) = query.to.strip_prefix("svc/") {
        let (namespace, name) =
            name.split_once('/').with_context(|| format!("{:?} is no svc/ns/name", query.to))?;
        let service =
            cluster.service(namespace, name).with_context(|| format!("there is no {:?}", query.to))?;
        let entry = service.ports.iter().find(|p| p.port == port && p.protocol == protocol);
        let entry = entry.with_context(|| format!("{} has no port {port}/{protocol}", query.to))?;
        if !service.cluster_ips.iter().any(|a| Family::of(*a) == family) {
            return Ok(Answer::new(false, "the Service has no ClusterIP of this family"));
        }
        return judge_service(cluster, from, service, entry, Way::ClusterIp, family);
    }
    let to = Party::named(cluster, &query.to, family)?;
    if let Some((service, way, entry)) = find_by_address(cluster, to.address(), port, protocol) {
        return match entry {
            Some(entry) => judge_service(cluster, from, service, entry, way, family),
            None => Ok(Answer::new(false, "a Service's address without such a port: nothing answers")),
        };
    }
    if let Party::Node(node, _) = to {
        if let Some((service, entry)) = find_by_node_port(cluster, port, protocol) {
            return judge_service(cluster, from, service, entry, Way::NodePort(node), family);
        }
        if let Some((pod, port)) = behind_host_port(cluster, node, port, protocol) {
            let address = pod.address(family).context("the pod behind the host port lacks the family")?;
            let unproven = unproven(from) && from.node() != Some(node.name.as_str());
            return judge(cluster, from, Party::Pod(pod, address), port, protocol, unproven);
        }
    }
    judge(cluster, from, to, port, protocol, false)
}

/// Asks policy about both directions of a connection between real ends. With `masqueraded` the destination's node
/// does not learn who opened it.
pub(super) fn judge(
    cluster: &Cluster,
    from: Party<'_>,
    to: Party<'_>,
    port: u16,
    protocol: &str,
    masqueraded: bool,
) -> Result<Answer> {
    if to.is_nobody(cluster) {
        return Ok(Answer::new(false, "an address for pods that no pod has: nothing answers"));
    }
    // A pod and its own node, and a pod and itself, are never kept apart.
    let together = match (from, to) {
        (Party::Pod(a, _), Party::Pod(b, _)) => a.is(b),
        (Party::Pod(..), Party::Node(..)) | (Party::Node(..), Party::Pod(..)) => from.node() == to.node(),
        _ => false,
    };
    let destination = if let Party::Pod(pod, _) = to { Some(pod) } else { None };
    let egress = match from {
        Party::Pod(pod, _) if !together => {
            direction(cluster, pod, Direction::Egress, to.seen(), destination, port, protocol)?
        }
        _ => Answer::new(true, "egress: no pod, or its own node or itself"),
    };
    let ingress = match to {
        Party::Pod(pod, address) if masqueraded => {
            direction(cluster, pod, Direction::Ingress, Seen::Transit(address), destination, port, protocol)?
        }
        Party::Pod(pod, _) if !together => {
            direction(cluster, pod, Direction::Ingress, from.seen(), destination, port, protocol)?
        }
        _ => Answer::new(true, "ingress: no pod, or its own node or itself"),
    };
    Ok(egress.and(ingress))
}

fn direction(
    cluster: &Cluster,
    pod: &Pod,
    direction: Direction,
    other: Seen<'_>,
    destination: Option<&Pod>,
    port: u16,
    protocol: &str,
) -> Result<Answer> {
    let who = format!("{direction:?} of {}/{}", pod.namespace, pod.name);
    if !isolated(cluster, pod, direction)? {
        return Ok(Answer::new(true, format!("{who}: not isolated")));
    }
    Ok(match allowed(cluster, pod, direction, other, destination, port, protocol)? {
        Some(rule) => Answer::new(true, format!("{who}: {rule}")),
        None => Answer::new(false, format!("{who}: isolated, and no rule matches")),
    })
}

fn behind_host_port<'a>(
    cluster: &'a Cluster,
    node: &Node,
    host_port: u16,
    protocol: &str,
) -> Option<(&'a Pod, u16)> {
    cluster.pods.iter().filter(|pod| pod.node == node.name && !pod.host_network).find_map(|pod| {
        let port = pod.ports.iter().find(|p| p.host_port == Some(host_port) && p.protocol == protocol)?;
        Some((pod, port.port))
    })
}

fn pod_named<'a>(cluster: &'a Cluster, text: &str) -> Result<&'a Pod> {
    let (namespace, name) =
        text.split_once('/').with_context(|| format!("{text:?} is no ns/pod and no address"))?;
    cluster.pod(namespace, name).with_context(|| format!("there is no running pod {text:?}"))
}

/// A literal fixes it; else the query says it; else it is that of the first address of the first pod named.
fn family_of(cluster: &Cluster, query: &Query) -> Result<Family> {
    let literal = |text: &str| text.parse::<IpAddr>().ok().map(Family::of);
    let family = match (literal(&query.from), literal(&query.to)) {
        (Some(a), Some(b)) if a != b => bail!("{} and {} are of different families", query.from, query.to),
        (Some(a), _) | (None, Some(a)) => a,
        (None, None) => match query.family {
            Some(family) => family,
            None => Family::of(
                *pod_named(cluster, &query.from)?.addresses.first().context("a pod without address")?,
            ),
        },
    };
    if query.family.is_some_and(|stated| stated != family) {
        bail!("the query says {:?} but an address is {family:?}", query.family);
    }
    Ok(family)
}
