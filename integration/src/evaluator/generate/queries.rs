//! Random questions about a cluster.
use std::collections::BTreeMap;
use std::net::IpAddr;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Dice, PORTS, PROTOCOLS, outside};
use crate::evaluator::cluster::{Cluster, Family, Pod, Service, ServicePort};
use crate::evaluator::query::Query;
use crate::evaluator::verdict::Party;

/// `count` queries (fewer if the cluster has no pods), each of which [`super::super::evaluate`] can answer.
///
/// What depends on how kube-proxy is set up is not asked: clients from outside at ClusterIPs and external IPs, and pods
/// or nodes at the node port of another node under `externalTrafficPolicy: Local`. Nor is a pod asked to reach itself
/// through another node's node port, where nobody on the way can know that it is itself.
pub fn queries(cluster: &Cluster, seed: u64, count: usize) -> Vec<Query> {
    let mut dice = Dice(StdRng::seed_from_u64(seed));
    let mut found = Vec::new();
    for _ in 0..count * 20 {
        if found.len() == count || cluster.pods.is_empty() {
            break;
        }
        let family = Family::of(*dice.pick(&family_addresses(cluster)));
        if let Some(query) = query(cluster, &mut dice, family) {
            found.push(query);
        }
    }
    found
}

/// Addresses of the first node: one of each family the cluster has.
fn family_addresses(cluster: &Cluster) -> Vec<IpAddr> {
    cluster.nodes.first().map(|n| n.addresses.clone()).unwrap_or_default()
}

fn query(cluster: &Cluster, dice: &mut Dice, family: Family) -> Option<Query> {
    let from_pod = dice.pick(&cluster.pods);
    let from = match dice.below(20) {
        0..=13 => from_pod.full_name(),
        14 => from_pod.address(family)?.to_string(),
        15 | 16 => dice.pick(&cluster.nodes).address(family)?.to_string(),
        _ => dice.pick(&outside(family)).to_string(),
    };
    let source = source(cluster, &from, family)?;
    let (to, port, protocol) = destination(cluster, dice, family, source)?;
    let literal = [&from, &to].iter().any(|text| text.parse::<IpAddr>().is_ok());
    let family = (!literal).then_some(family);
    Some(Query { from, to, port, protocol, family, extra: BTreeMap::new() })
}

fn source<'a>(cluster: &'a Cluster, from: &str, family: Family) -> Option<Party<'a>> {
    match from.parse() {
        Ok(address) => Some(Party::at(cluster, address)),
        Err(_) => {
            let (namespace, name) = from.split_once('/')?;
            Some(Party::at(cluster, cluster.pod(namespace, name)?.address(family)?))
        }
    }
}

fn destination(
    cluster: &Cluster,
    dice: &mut Dice,
    family: Family,
    from: Party<'_>,
) -> Option<(String, u16, String)> {
    let outsider = matches!(from, Party::Outside(_));
    match dice.below(20) {
        0..=10 => {
            let pod = dice.pick(&cluster.pods);
            let (port, protocol) = port_of(dice, pod);
            let to = if dice.chance(85) { pod.full_name() } else { pod.address(family)?.to_string() };
            Some((to, port, protocol))
        }
        11 => {
            let node = dice.pick(&cluster.nodes).address(family)?;
            Some((node.to_string(), *dice.pick(&PORTS), (*dice.pick(&PROTOCOLS)).to_owned()))
        }
        12 | 13 => {
            let to = dice.pick(&outside(family)).to_string();
            Some((to, *dice.pick(&PORTS), (*dice.pick(&PROTOCOLS)).to_owned()))
        }
        14 => host_port(cluster, dice, family),
        15 | 16 => node_port(cluster, dice, family, from),
        _ if outsider || cluster.services.is_empty() => None,
        kind => {
            let (service, entry) = service_port(cluster, dice)?;
            let of_family = |ips: &[IpAddr]| ips.iter().copied().find(|a| Family::of(*a) == family);
            let ip = of_family(&service.cluster_ips)?;
            let to = match kind {
                17 => ip.to_string(),
                18 => of_family(&service.external_ips)?.to_string(),
                _ => format!("svc/{}/{}", service.namespace, service.name),
            };
            Some((to, entry.port, entry.protocol.clone()))
        }
    }
}

/// One of the pod's own ports, or something near one, or any.
fn port_of(dice: &mut Dice, pod: &Pod) -> (u16, String) {
    let any = (*dice.pick(&PORTS), (*dice.pick(&PROTOCOLS)).to_owned());
    if pod.ports.is_empty() || dice.chance(25) {
        return any;
    }
    let own = dice.pick(&pod.ports);
    match dice.below(10) {
        0 => (own.port.saturating_add(1), own.protocol.clone()),
        1 => (own.port.saturating_sub(1).max(1), own.protocol.clone()),
        2 => (own.port, any.1),
        _ => (own.port, own.protocol.clone()),
    }
}

fn host_port(cluster: &Cluster, dice: &mut Dice, family: Family) -> Option<(String, u16, String)> {
    let with = |pod: &&Pod| !pod.host_network && pod.ports.iter().any(|p| p.host_port.is_some());
    let pods: Vec<&Pod> = cluster.pods.iter().filter(with).collect();
    let pod = *pods.get(dice.below(pods.len().max(1)))?;
    let port = pod.ports.iter().find(|p| p.host_port.is_some())?;
    let node = cluster.node(&pod.node)?.address(family)?;
    Some((node.to_string(), port.host_port?, port.protocol.clone()))
}

fn node_port(
    cluster: &Cluster,
    dice: &mut Dice,
    family: Family,
    from: Party<'_>,
) -> Option<(String, u16, String)> {
    let (service, entry) = service_port(cluster, dice)?;
    let node = dice.pick(&cluster.nodes);
    let elsewhere = from.node().is_some_and(|own| own != node.name);
    let itself = entry.backends.iter().any(|b| b.address == from.address());
    if elsewhere && (service.local || itself) {
        return None;
    }
    Some((node.address(family)?.to_string(), entry.node_port?, entry.protocol.clone()))
}

fn service_port<'a>(cluster: &'a Cluster, dice: &mut Dice) -> Option<(&'a Service, &'a ServicePort)> {
    let service = cluster.services.get(dice.below(cluster.services.len().max(1)))?;
    let entry = service.ports.get(dice.below(service.ports.len().max(1)))?;
    Some((service, entry))
}
