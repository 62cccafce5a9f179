//! A small cluster to compile: nodes n1 and n2, namespaces a and b, policies in Rust.
use crate::desired::Snapshot;
use crate::model::{
    ContainerPort, IpBlock, LabelSelector, Labels, Namespace, NamespaceMatch, NetworkPolicy, Node,
    ObjectName, Peer, Peers, Pod, PortMatch, Ports, Protocol, Rule,
};
use crate::policy::offline::local_view;
use crate::policy::tables::{LocalView, Tables};
use crate::policy::{CompileOutput, Compiler};
use ringfence_abi::EndpointValue;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

pub(in crate::policy) struct World {
    pub(in crate::policy) snapshot: Snapshot,
}

pub(in crate::policy) fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

pub(in crate::policy) fn selector(pairs: &[(&str, &str)]) -> LabelSelector {
    LabelSelector { match_labels: labels(pairs), expressions: Vec::new() }
}

pub(in crate::policy) fn pods_here(namespace: &str, pairs: &[(&str, &str)]) -> Peer {
    Peer::Pods { namespaces: NamespaceMatch::Named(namespace.to_owned()), pods: selector(pairs) }
}

pub(in crate::policy) fn pods_of(namespaces: &[(&str, &str)], pods: &[(&str, &str)]) -> Peer {
    Peer::Pods { namespaces: NamespaceMatch::Selected(selector(namespaces)), pods: selector(pods) }
}

pub(in crate::policy) fn block(cidr: &str, except: &[&str]) -> Peer {
    let except = except.iter().map(|e| e.parse().unwrap()).collect();
    Peer::Block(IpBlock { cidr: cidr.parse().unwrap(), except })
}

pub(in crate::policy) fn rule(peers: &[Peer], ports: &[PortMatch]) -> Rule {
    Rule {
        peers: if peers.is_empty() { Peers::Any } else { Peers::Only(peers.to_vec()) },
        ports: if ports.is_empty() { Ports::Any } else { Ports::Only(ports.to_vec()) },
    }
}

pub(in crate::policy) fn tcp(port: u16) -> PortMatch {
    PortMatch::Range(Protocol::Tcp, port, port)
}

pub(in crate::policy) fn port(name: &str, number: u16, protocol: Protocol) -> ContainerPort {
    ContainerPort { name: Some(name.to_owned()), port: number, protocol, host_port: None }
}

pub(in crate::policy) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn insert<K: Ord + Clone, V>(map: &mut Arc<BTreeMap<K, Arc<V>>>, key: K, value: V) {
    Arc::make_mut(map).insert(key, Arc::new(value));
}

impl World {
    pub(in crate::policy) fn new() -> Self {
        let mut world = Self { snapshot: Snapshot { revision: 1, ..Snapshot::default() } };
        for (n, name) in ["n1", "n2"].into_iter().enumerate() {
            world.node(name, &[&format!("10.{}.0.0/24", n + 1), &format!("fd00:{}::/64", n + 1)]);
        }
        world.namespace("a", &[("team", "a")]);
        world.namespace("b", &[("team", "b")]);
        world
    }

    /// Node addresses are 192.168.0.N and fd01::N, N from the name.
    pub(in crate::policy) fn node(&mut self, name: &str, cidrs: &[&str]) {
        let number = &name[1..];
        let node = Node {
            name: name.to_owned(),
            uid: name.to_owned(),
            created: String::new(),
            labels: Arc::default(),
            pod_cidrs: cidrs.iter().map(|c| c.parse().unwrap()).collect(),
            addresses: vec![address(&format!("192.168.0.{number}")), address(&format!("fd01::{number}"))],
        };
        insert(&mut self.snapshot.nodes, name.to_owned(), node);
    }

    pub(in crate::policy) fn namespace(&mut self, name: &str, pairs: &[(&str, &str)]) {
        let namespace = Namespace { name: name.to_owned(), labels: Arc::new(labels(pairs)) };
        insert(&mut self.snapshot.namespaces, name.to_owned(), namespace);
    }

    /// `name` is `namespace/name`; the uid is the name.
    pub(in crate::policy) fn pod(
        &mut self,
        name: &str,
        node: &str,
        addresses: &[&str],
        pairs: &[(&str, &str)],
    ) -> &mut Pod {
        let (namespace, short) = name.split_once('/').unwrap();
        let name = ObjectName::new(namespace, short);
        let pod = Pod {
            name: name.clone(),
            uid: short.to_owned(),
            labels: Arc::new(labels(pairs)),
            node: Some(node.to_owned()),
            addresses: addresses.iter().map(|a| address(a)).collect(),
            host_network: false,
            ports: Vec::new(),
        };
        insert(&mut self.snapshot.pods, name.clone(), pod);
        Arc::make_mut(Arc::make_mut(&mut self.snapshot.pods).get_mut(&name).unwrap())
    }

    pub(in crate::policy) fn policy(
        &mut self,
        name: &str,
        pairs: &[(&str, &str)],
        ingress: Option<Vec<Rule>>,
        egress: Option<Vec<Rule>>,
    ) {
        let (namespace, short) = name.split_once('/').unwrap();
        let name = ObjectName::new(namespace, short);
        let policy = NetworkPolicy { name: name.clone(), selector: selector(pairs), ingress, egress };
        insert(&mut self.snapshot.policies, name, policy);
    }

    pub(in crate::policy) fn view(&self) -> LocalView {
        local_view(&self.snapshot, "n1", &["10.0.0.0/8".parse().unwrap()])
    }

    pub(in crate::policy) fn compile(&self) -> Compiled {
        let view = self.view();
        Compiled { out: Compiler::default().compile(&self.snapshot, &view), view }
    }
}

/// Tables of n1 with what is asked of them.
pub(in crate::policy) struct Compiled {
    pub(in crate::policy) out: CompileOutput,
    pub(in crate::policy) view: LocalView,
}

impl Compiled {
    pub(in crate::policy) fn tables(&self) -> &Tables {
        &self.out.tables
    }

    pub(in crate::policy) fn endpoint(&self, pod: &str) -> EndpointValue {
        let (namespace, name) = pod.split_once('/').unwrap();
        let name = ObjectName::new(namespace, name);
        let found = self.view.endpoints.iter().find(|e| e.pod == name).unwrap();
        self.out.tables.endpoints[&found.ifindex]
    }

    pub(in crate::policy) fn class(&self, text: &str) -> u32 {
        self.out.tables.locate(address(text)).class
    }

    /// Whether the pod's ingress policy lets the address in.
    pub(in crate::policy) fn from(&self, pod: &str, source: &str, protocol: u8, port: u16) -> bool {
        let profile = self.endpoint(pod).ingress_profile;
        profile == 0 || self.tables().permits(profile, self.class(source), protocol, port)
    }

    /// Whether the pod's egress policy lets it out to the address.
    pub(in crate::policy) fn to(&self, pod: &str, target: &str, protocol: u8, port: u16) -> bool {
        let profile = self.endpoint(pod).egress_profile;
        profile == 0 || self.tables().permits(profile, self.class(target), protocol, port)
    }
}
