//! Questions about one new connection, with both ends resolved.
use crate::model::{ObjectName, Protocol};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// May `from` open a connection to `port` of `to`?
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Question {
    /// Never a [`Party::Service`]. Its address fixes the family.
    pub from: Party,
    /// Of the same family.
    pub to: Party,
    /// The destination's own port (a Service's where `to` is one), host order.
    pub port: u16,
    /// Of the connection.
    pub protocol: Protocol,
}

/// One end.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Party {
    /// A pod with an address of its own, and which of its addresses.
    Pod(ObjectName, IpAddr),
    /// A node, also where a hostNetwork pod was named, and which of its addresses.
    Node(String, IpAddr),
    /// Any other address; a Service's too.
    Outside(IpAddr),
    /// A Service by its name: its ClusterIP.
    Service(ObjectName),
}

/// Whether it may.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Yes.
    Allow,
    /// No.
    Deny,
}

impl Verdict {
    /// From a yes or no.
    pub const fn allow_if(yes: bool) -> Self {
        if yes { Self::Allow } else { Self::Deny }
    }
}

/// A policy that decided.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Decider {
    /// Kind of the object.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Index of the rule (of `spec.ingress` or `spec.egress`) that allows; absent where it decided by isolating.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
}

impl Decider {
    /// A NetworkPolicy.
    pub fn network_policy(name: ObjectName, rule: Option<usize>) -> Self {
        Self { kind: "NetworkPolicy".to_owned(), namespace: name.namespace, name: name.name, rule }
    }
}

/// One direction of an answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Side {
    /// Of this direction alone.
    pub verdict: Verdict,
    /// Where it is denied: the policies that isolate. Where an isolated pod is allowed: the rules that allow. Else none.
    pub policies: Vec<Decider>,
}

/// The answer. Serialized beside the question's fields it is the line that DESIGN's query format wants back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Allowed only if both directions are, towards every backend that the connection may end at.
    pub verdict: Verdict,
    /// Of the destination.
    pub ingress: Side,
    /// Of the source.
    pub egress: Side,
}

impl Side {
    /// Nothing isolates.
    pub const fn open() -> Self {
        Self { verdict: Verdict::Allow, policies: Vec::new() }
    }

    /// Denied without a policy: nothing is there.
    pub const fn closed() -> Self {
        Self { verdict: Verdict::Deny, policies: Vec::new() }
    }

    /// Both must allow. The policies that decided against it, else all that decided for it.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        if self.verdict == other.verdict {
            self.policies.extend(other.policies);
            self.policies.sort();
            self.policies.dedup();
            return self;
        }
        if self.verdict == Verdict::Deny { self } else { other }
    }
}

impl Answer {
    /// From both directions.
    pub fn new(ingress: Side, egress: Side) -> Self {
        let allow = ingress.verdict == Verdict::Allow && egress.verdict == Verdict::Allow;
        Self { verdict: Verdict::allow_if(allow), ingress, egress }
    }
}

impl Party {
    /// Its address; a Service by name has none of its own here.
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Pod(_, address) | Self::Node(_, address) | Self::Outside(address) => Some(*address),
            Self::Service(_) => None,
        }
    }
}
