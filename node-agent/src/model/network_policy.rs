//! NetworkPolicy (networking.k8s.io/v1) after defaulting: what it isolates and what it allows.
use super::{LabelSelector, ObjectName, Protocol};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// A policy. A direction that is `None` is not affected by it; `Some(vec![])` isolates and allows nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NetworkPolicy {
    /// Namespace and name.
    pub name: ObjectName,
    /// `spec.podSelector`: pods of its own namespace.
    pub selector: LabelSelector,
    /// Ingress rules, if `policyTypes` (or its default) has Ingress.
    pub ingress: Option<Vec<Rule>>,
    /// Egress rules, if `policyTypes` (or its default) has Egress.
    pub egress: Option<Vec<Rule>>,
}

/// One entry of `ingress` or `egress`: any of its peers on any of its ports.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Rule {
    /// `from` or `to`.
    pub peers: Peers,
    /// `ports`.
    pub ports: Ports,
}

/// Peers of a rule.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Peers {
    /// Missing or empty list: every address, external ones too.
    Any,
    /// Any of these.
    Only(Vec<Peer>),
}

/// One peer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Peer {
    /// Pods, never external addresses or nodes.
    Pods {
        /// Of which namespaces.
        namespaces: NamespaceMatch,
        /// Which of their pods.
        pods: LabelSelector,
    },
    /// Addresses.
    Block(IpBlock),
    /// A peer that could not be understood: matches nothing.
    Nothing,
}

/// `namespaceSelector` of a peer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum NamespaceMatch {
    /// Absent: the policy's own namespace.
    Named(String),
    /// Present: namespaces with such labels (all, if it is empty).
    Selected(LabelSelector),
}

/// `ipBlock`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct IpBlock {
    /// Host bits masked.
    pub cidr: IpNetwork,
    /// Within `cidr`, host bits masked.
    pub except: Vec<IpNetwork>,
}

/// Ports of a rule.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Ports {
    /// Missing or empty list: every port of every protocol, ICMP and others too.
    Any,
    /// Any of these.
    Only(Vec<PortMatch>),
}

/// One entry of `ports`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum PortMatch {
    /// No `port`: every port of the protocol.
    All(Protocol),
    /// `port` to `endPort`, inclusive.
    Range(Protocol, u16, u16),
    /// The port of this name on the destination pod.
    Named(Protocol, String),
    /// An entry that could not be understood: matches nothing.
    Nothing,
}
