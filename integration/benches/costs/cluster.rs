//! A made-up cluster of any size, as the agent would have read it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use anyhow::{Context, Result};
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use ringfence::desired::Snapshot;
use ringfence::model::{
    ContainerPort, LabelSelector, Labels, Namespace, NamespaceMatch, NetworkPolicy, Node, ObjectName, Peer,
    Peers, Pod, PortMatch, Ports, Protocol, Rule,
};

/// The node that everything is seen from.
pub(crate) const HERE: &str = "node-0";
/// Applications of a namespace: pods of one have the same labels.
const APPS: usize = 10;

/// How big it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) nodes: usize,
    pub(crate) pods: usize,
    pub(crate) namespaces: usize,
    pub(crate) policies: usize,
    pub(crate) dual_stack: bool,
}

/// Ten thousand pods, a thousand policies.
pub(crate) const LARGE: Size =
    Size { nodes: 100, pods: 10_000, namespaces: 100, policies: 1_000, dual_stack: false };

/// A cluster, to be changed before it is looked at.
#[derive(Clone, Default)]
pub(crate) struct Cluster {
    pub(crate) pods: BTreeMap<ObjectName, Arc<Pod>>,
    pub(crate) namespaces: BTreeMap<String, Arc<Namespace>>,
    pub(crate) nodes: BTreeMap<String, Arc<Node>>,
    pub(crate) policies: BTreeMap<ObjectName, Arc<NetworkPolicy>>,
}

impl Cluster {
    /// Pods spread over nodes and namespaces, each application called by the next one and calling the one after.
    ///
    /// # Errors
    /// When it has more nodes or pods on a node than addresses.
    pub(crate) fn new(size: Size) -> Result<Self> {
        let mut cluster = Self::default();
        for i in 0..size.nodes {
            cluster.add_node(i, size.dual_stack)?;
        }
        for i in 0..size.namespaces {
            cluster.add_namespace(&format!("team-{i}"), &[("team", &(i % 10).to_string())]);
        }
        for i in 0..size.pods {
            let name = ObjectName::new(format!("team-{}", i % size.namespaces), format!("pod-{i}"));
            let app = (i / size.namespaces) % APPS;
            // Each node has pods of many namespaces.
            let node = (i + i / size.nodes) % size.nodes;
            let addresses = pod_addresses(node, i / size.nodes + 20, size.dual_stack)?;
            cluster.add_pod(name, &format!("node-{node}"), addresses, &[("app", &format!("app-{app}"))]);
        }
        for i in 0..size.policies {
            cluster.add_policy(tier(i % size.namespaces, i / size.namespaces, size.namespaces));
        }
        Ok(cluster)
    }

    /// What the agent's tasks would be given.
    pub(crate) fn snapshot(&self, revision: u64) -> Snapshot {
        Snapshot {
            revision,
            pods: Arc::new(self.pods.clone()),
            namespaces: Arc::new(self.namespaces.clone()),
            nodes: Arc::new(self.nodes.clone()),
            policies: Arc::new(self.policies.clone()),
            ..Snapshot::default()
        }
    }

    fn add_node(&mut self, i: usize, dual_stack: bool) -> Result<()> {
        let name = format!("node-{i}");
        let (v4, v6) = range(i)?;
        let mut pod_cidrs = vec![v4.into()];
        if dual_stack {
            pod_cidrs.push(v6.into());
        }
        let [high, low] = u16::try_from(i + 1).context("too many nodes")?.to_be_bytes();
        let node = Node {
            uid: format!("uid-{name}"),
            created: String::new(),
            labels: Arc::new(labels(&[("kubernetes.io/hostname", &name)])),
            pod_cidrs,
            addresses: vec![Ipv4Addr::new(172, 16, high, low).into()],
            name: name.clone(),
        };
        self.nodes.insert(name, Arc::new(node));
        Ok(())
    }

    /// Gives a node other pod CIDRs.
    pub(crate) fn set_pod_cidrs(&mut self, node: &str, pod_cidrs: Vec<IpNetwork>) {
        if let Some(node) = self.nodes.get_mut(node) {
            Arc::make_mut(node).pod_cidrs = pod_cidrs;
        }
    }

    /// Adds a namespace.
    pub(crate) fn add_namespace(&mut self, name: &str, with: &[(&str, &str)]) {
        let mut labels = labels(with);
        labels.insert("kubernetes.io/metadata.name".into(), name.into());
        self.namespaces
            .insert(name.into(), Arc::new(Namespace { name: name.into(), labels: Arc::new(labels) }));
    }

    /// Adds a pod, or replaces it.
    pub(crate) fn add_pod(
        &mut self,
        name: ObjectName,
        node: &str,
        addresses: Vec<IpAddr>,
        with: &[(&str, &str)],
    ) {
        let port =
            ContainerPort { name: Some("http".into()), port: 8080, protocol: Protocol::Tcp, host_port: None };
        let pod = Pod {
            uid: format!("uid-{}-{}", name.namespace, name.name),
            labels: Arc::new(labels(with)),
            node: Some(node.into()),
            addresses,
            host_network: false,
            ports: vec![port],
            name: name.clone(),
        };
        self.pods.insert(name, Arc::new(pod));
    }

    /// Adds a policy, or replaces it.
    pub(crate) fn add_policy(&mut self, policy: NetworkPolicy) {
        self.policies.insert(policy.name.clone(), Arc::new(policy));
    }
}

/// A policy as people write them: an application is called by one of another namespace and calls one of the next.
fn tier(namespace: usize, number: usize, namespaces: usize) -> NetworkPolicy {
    let app = |i: usize| [("app", format!("app-{}", i % APPS))];
    let next = format!("team-{}", (namespace + 1) % namespaces);
    let rule = |namespaces, pods, port| Rule {
        peers: Peers::Only(vec![Peer::Pods { namespaces, pods }]),
        ports: Ports::Only(vec![PortMatch::Range(Protocol::Tcp, port, port)]),
    };
    NetworkPolicy {
        name: ObjectName::new(format!("team-{namespace}"), format!("policy-{number}")),
        selector: selector(&app(number)),
        ingress: Some(vec![
            rule(NamespaceMatch::Named(next), selector(&app(number + 1)), 8080),
            rule(
                NamespaceMatch::Selected(selector(&[("team", (namespace % 10).to_string())])),
                selector(&app(number + 2)),
                9090,
            ),
        ]),
        egress: Some(vec![rule(
            NamespaceMatch::Named(format!("team-{namespace}")),
            selector(&app(number + 3)),
            5432,
        )]),
    }
}

/// `matchLabels`.
pub(crate) fn selector(of: &[(&str, String)]) -> LabelSelector {
    let match_labels = of.iter().map(|(k, v)| ((*k).into(), v.clone())).collect();
    LabelSelector { match_labels, expressions: Vec::new() }
}

fn labels(of: &[(&str, &str)]) -> Labels {
    of.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

/// The pod CIDRs of a node: 10.77.0.0/24 of the first, then the next.
fn range(node: usize) -> Result<(Ipv4Network, Ipv6Network)> {
    let [high, low] = u16::try_from(node).context("too many nodes")?.to_be_bytes();
    let v4 = Ipv4Network::new(Ipv4Addr::new(10, 77 + high, low, 0), 24)?;
    let v6 = Ipv6Network::new(Ipv6Addr::new(0xfd77, 0, 0, u16::from_be_bytes([high, low]), 0, 0, 0, 0), 64)?;
    Ok((v4, v6))
}

/// The addresses of a node's pod with this number.
fn pod_addresses(node: usize, number: usize, dual_stack: bool) -> Result<Vec<IpAddr>> {
    let (v4, v6) = range(node)?;
    let host = u8::try_from(number).context("too many pods on a node")?;
    let [a, b, c, _] = v4.network().octets();
    let mut addresses: Vec<IpAddr> = vec![Ipv4Addr::new(a, b, c, host).into()];
    if dual_stack {
        let [a, b, c, d, ..] = v6.network().segments();
        addresses.push(Ipv6Addr::new(a, b, c, d, 0, 0, 0, host.into()).into());
    }
    Ok(addresses)
}
