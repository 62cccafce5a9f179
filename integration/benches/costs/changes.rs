//! What changes in a cluster, as a watch would say it.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use ipnetwork::IpNetwork;
use ringfence::model::{
    IpBlock, NetworkPolicy, ObjectName, Peer, Peers, Pod, PortMatch, Ports, Protocol, Rule,
};
use ringfence::watch::{Kind, Object, Update};

use super::cluster::{Cluster, HERE};

/// Something that changes, time and again.
pub(crate) struct Change {
    pub(crate) name: &'static str,
    /// What a watch says at the given turn.
    pub(crate) update: Box<dyn Fn(usize) -> Update>,
}

/// The cluster as a watch lists it.
pub(crate) fn everything(cluster: &Cluster) -> Vec<Update> {
    let pods = cluster.pods.values().cloned().map(Object::Pod);
    let namespaces = cluster.namespaces.values().cloned().map(Object::Namespace);
    let nodes = cluster.nodes.values().cloned().map(Object::Node);
    let policies = cluster.policies.values().cloned().map(Object::NetworkPolicy);
    let objects = namespaces.chain(nodes).chain(policies).chain(pods);
    objects.map(applied).chain(Kind::ALL.into_iter().map(Update::Synced)).collect()
}

/// One of each kind that people and controllers make.
///
/// # Errors
/// When the cluster lacks what would change.
pub(crate) fn changes(cluster: &Cluster) -> Result<Vec<Change>> {
    let pod = |here: bool| {
        let found = cluster.pods.values().find(|pod| (pod.node.as_deref() == Some(HERE)) == here);
        found.cloned().context("no such pod")
    };
    let (near, far) = (pod(true)?, pod(false)?);
    let policy = |selects: bool| {
        let all = cluster.policies.values().filter(|policy| policy.name.namespace == near.name.namespace);
        let found = all.filter(|policy| policy.selector.matches(&near.labels) == selects);
        found.min_by_key(|policy| policy.name.clone()).cloned().context("no such policy")
    };
    let (ours, others) = (policy(true)?, policy(false)?);
    let change = |name, update: Box<dyn Fn(usize) -> Update>| Change { name, update };
    let (comes, more, selecting) = (far.clone(), ours.clone(), ours.clone());
    Ok(vec![
        change(
            "a pod of another node goes, and comes back",
            Box::new(move |turn| match turn % 2 {
                0 => Update::Deleted { kind: Kind::Pod, name: comes.name.clone() },
                _ => applied(Object::Pod(comes.clone())),
            }),
        ),
        change("labels of a pod of another node", Box::new(move |turn| relabelled(&far, turn))),
        change("labels of a pod of this node", Box::new(move |turn| relabelled(&near, turn))),
        change("ports of a policy that selects a pod here", Box::new(move |turn| other_ports(&ours, turn))),
        change("ports of a policy that selects none here", Box::new(move |turn| other_ports(&others, turn))),
        change(
            "a policy more that selects a pod here, then one less",
            Box::new(move |turn| {
                let name = ObjectName::new(more.name.namespace.clone(), "one-more");
                match turn % 2 {
                    0 => applied(Object::NetworkPolicy(Arc::new(NetworkPolicy { name, ..(*more).clone() }))),
                    _ => Update::Deleted { kind: Kind::NetworkPolicy, name },
                }
            }),
        ),
        change(
            "the CIDR that a policy of a pod here allows",
            Box::new(move |turn| other_block(&selecting, turn)),
        ),
    ])
}

fn applied(object: Object) -> Update {
    Update::Applied { object, origin: None, problems: Vec::new() }
}

/// Another application's, in turn.
fn relabelled(pod: &Pod, turn: usize) -> Update {
    let labels = [("app".to_owned(), format!("app-{}", turn % 10))].into();
    applied(Object::Pod(Arc::new(Pod { labels: Arc::new(labels), ..pod.clone() })))
}

/// The same rules, each for another port.
fn other_ports(policy: &NetworkPolicy, turn: usize) -> Update {
    let port = 8000 + u16::try_from(turn % 1000).unwrap_or(0);
    let ports = Ports::Only(vec![PortMatch::Range(Protocol::Tcp, port, port)]);
    let rules = policy.ingress.iter().flatten().map(|rule| Rule { ports: ports.clone(), ..rule.clone() });
    let ingress = Some(rules.collect());
    applied(Object::NetworkPolicy(Arc::new(NetworkPolicy { ingress, ..policy.clone() })))
}

/// One policy besides, for callers from outside.
fn other_block(policy: &NetworkPolicy, turn: usize) -> Update {
    let octet = u8::try_from(turn % 250).unwrap_or(0);
    let cidr = IpNetwork::from(IpAddr::from([203, 0, octet, octet]));
    let block = Peer::Block(IpBlock { cidr, except: Vec::new() });
    let rule = Rule { peers: Peers::Only(vec![block]), ports: Ports::Any };
    let name = ObjectName::new(policy.name.namespace.clone(), "from-outside");
    let policy = NetworkPolicy { name, ingress: Some(vec![rule]), egress: None, ..policy.clone() };
    applied(Object::NetworkPolicy(Arc::new(policy)))
}
