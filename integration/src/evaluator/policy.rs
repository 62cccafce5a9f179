//! NetworkPolicy itself: is a pod isolated, and does some rule allow this?
use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::cidr::Cidr;
use super::cluster::{Cluster, ContainerPort, Pod};
use super::selector;

/// One side of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What may reach the pod.
    Ingress,
    /// What the pod may reach.
    Egress,
}

/// The other end of a connection, as the isolated pod's node sees it.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// A pod with its own address.
    Pod(&'a Pod, IpAddr),
    /// A node's or an external address.
    Address(IpAddr),
    /// A node that masqueraded somebody unknown; the address says no more than the family. It matches only peers that
    /// match every source of that family.
    Transit(IpAddr),
}

/// Whether any policy of the pod's namespace selects it for this direction.
pub fn isolated(cluster: &Cluster, pod: &Pod, direction: Direction) -> Result<bool> {
    for policy in &cluster.policies {
        if applies(policy, pod, direction)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The first rule that allows it, as `NAMESPACE/NAME DIRECTION[INDEX]`; `None` if none does. To be asked of an isolated
/// pod. `destination` is the pod whose container ports give named ports their numbers; `port` is its own port.
pub fn allowed(
    cluster: &Cluster,
    pod: &Pod,
    direction: Direction,
    other: Seen<'_>,
    destination: Option<&Pod>,
    port: u16,
    protocol: &str,
) -> Result<Option<String>> {
    let (rules, peers) = match direction {
        Direction::Ingress => ("ingress", "from"),
        Direction::Egress => ("egress", "to"),
    };
    for policy in &cluster.policies {
        if !applies(policy, pod, direction)? {
            continue;
        }
        for (index, rule) in items(policy.pointer(&format!("/spec/{rules}"))).iter().enumerate() {
            if peers_match(cluster, namespace_of(policy), items(rule.get(peers)), other)?
                && ports_match(items(rule.get("ports")), destination, port, protocol)?
            {
                return Ok(Some(format!("{} {rules}[{index}]", name_of(policy))));
            }
        }
    }
    Ok(None)
}

/// Same namespace, direction among its types, pod selected. A hostNetwork pod is never selected.
fn applies(policy: &Value, pod: &Pod, direction: Direction) -> Result<bool> {
    if pod.host_network || namespace_of(policy) != pod.namespace || !has_type(policy, direction) {
        return Ok(false);
    }
    let selector = policy.pointer("/spec/podSelector").unwrap_or(&Value::Null);
    selector::matches(selector, &pod.labels).with_context(|| name_of(policy))
}

/// `policyTypes` as given; else Ingress always and Egress if there is an egress rule.
fn has_type(policy: &Value, direction: Direction) -> bool {
    let types = items(policy.pointer("/spec/policyTypes"));
    let name = if direction == Direction::Ingress { "Ingress" } else { "Egress" };
    if !types.is_empty() {
        return types.iter().any(|t| t.as_str() == Some(name));
    }
    direction == Direction::Ingress || !items(policy.pointer("/spec/egress")).is_empty()
}

/// No peers match everything; else one of them must.
fn peers_match(cluster: &Cluster, namespace: &str, peers: &[Value], other: Seen<'_>) -> Result<bool> {
    for peer in peers {
        if peer_matches(cluster, namespace, peer, other)? {
            return Ok(true);
        }
    }
    Ok(peers.is_empty())
}

fn peer_matches(cluster: &Cluster, namespace: &str, peer: &Value, other: Seen<'_>) -> Result<bool> {
    let field = |name: &str| peer.get(name).filter(|v| !v.is_null());
    if let Some(block) = field("ipBlock") {
        return block_matches(block, other);
    }
    let (pods, namespaces) = (field("podSelector"), field("namespaceSelector"));
    if pods.is_none() && namespaces.is_none() {
        bail!("a peer without fields, which the API refuses");
    }
    let Seen::Pod(pod, _) = other else { return Ok(false) };
    if pod.host_network {
        return Ok(false);
    }
    let in_namespace = match namespaces {
        None => pod.namespace == namespace,
        Some(selector) => match cluster.namespaces.get(&pod.namespace) {
            Some(labels) => selector::matches(selector, labels)?,
            None => bail!("pod {}/{} is in an unknown namespace", pod.namespace, pod.name),
        },
    };
    Ok(in_namespace && selector::matches(pods.unwrap_or(&Value::Null), &pod.labels)?)
}

/// In the block and in none of its exceptions, whoever has the address.
fn block_matches(block: &Value, other: Seen<'_>) -> Result<bool> {
    let cidr = Cidr::parse(block.get("cidr").and_then(Value::as_str).context("an ipBlock without cidr")?)?;
    let mut except = Vec::new();
    for exception in items(block.get("except")) {
        except.push(Cidr::parse(exception.as_str().context("an exception that is no string")?)?);
    }
    Ok(match other {
        Seen::Pod(_, address) | Seen::Address(address) => {
            cidr.contains(address) && !except.iter().any(|e| e.contains(address))
        }
        Seen::Transit(like) => cidr.is_everything_like(like) && except.is_empty(),
    })
}

/// No ports match every protocol and port; else one of them must.
fn ports_match(ports: &[Value], destination: Option<&Pod>, port: u16, protocol: &str) -> Result<bool> {
    for item in ports {
        if port_matches(item, destination, port, protocol)? {
            return Ok(true);
        }
    }
    Ok(ports.is_empty())
}

fn port_matches(item: &Value, destination: Option<&Pod>, port: u16, protocol: &str) -> Result<bool> {
    if item.get("protocol").and_then(Value::as_str).unwrap_or("TCP") != protocol {
        return Ok(false);
    }
    let number = u64::from(port);
    match item.get("port") {
        None | Some(Value::Null) => Ok(true),
        Some(Value::Number(first)) => {
            let first = first.as_u64().context("a port that is no whole number")?;
            let last = item.get("endPort").and_then(Value::as_u64).unwrap_or(first);
            Ok(first <= number && number <= last)
        }
        Some(Value::String(name)) => {
            let named = |p: &ContainerPort| p.name.as_deref() == Some(name) && p.protocol == protocol;
            Ok(destination.is_some_and(|pod| pod.ports.iter().any(|p| named(p) && p.port == port)))
        }
        Some(other) => bail!("a port that is neither number nor name: {other}"),
    }
}

/// The elements of a list; none if it is missing or null.
fn items(list: Option<&Value>) -> &[Value] {
    list.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn namespace_of(policy: &Value) -> &str {
    policy.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default")
}

fn name_of(policy: &Value) -> String {
    let name = policy.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("(no name)");
    format!("{}/{name}", namespace_of(policy))
}
