//! A question as it is tried: an address, and who may answer there.
use crate::lab::Lab;
use crate::lab::services::{Backend, Entry, reached};
use crate::model::Protocol;
use crate::watch::directory::Loaded;
use crate::watch::queries::{Party, Resolved};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// What is to be tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Question {
    /// Where to.
    pub(super) to: SocketAddr,
    /// How.
    pub(super) protocol: Protocol,
    /// From which address, if that is to be said.
    pub(super) source: Option<IpAddr>,
    /// Who is there.
    pub(super) there: There,
}

/// Who answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum There {
    /// Whoever it is; that nobody listens is an answer too.
    Anybody,
    /// This pod, or its kernel that says that nobody listens.
    Pod(String),
    /// All of these, by their names; several tries are needed to meet each.
    Backends(BTreeSet<String>),
}

impl Question {
    /// `None` if there is no address to try.
    pub(super) fn new(lab: &Lab, cluster: &Loaded, entries: &[Entry], resolved: &Resolved) -> Option<Self> {
        let to = SocketAddr::new(resolved.destination?, resolved.port);
        let client = match &resolved.from {
            Party::Pod(name) => cluster.pods.get(name).and_then(|pod| pod.value.node.clone()),
            Party::Node(name) => Some(name.clone()),
            Party::Service(_) | Party::Outside => None,
        };
        let node = match &resolved.to {
            Party::Node(name) => Some(name.as_str()),
            _ => None,
        };
        let there = match reached(entries, client.as_deref(), to, resolved.protocol, node) {
            Some(backends) => {
                There::Backends(backends.iter().map(|b| name(lab, cluster, b, resolved.protocol)).collect())
            }
            None => match &resolved.to {
                Party::Pod(pod) => There::Pod(pod.to_string()),
                Party::Service(_) => There::Backends(BTreeSet::new()),
                Party::Node(_) | Party::Outside => There::Anybody,
            },
        };
        let source = matches!(resolved.from, Party::Outside | Party::Service(_)).then_some(resolved.source);
        Some(Self { to, protocol: resolved.protocol, source, there })
    }
}

/// The name that a backend answers with.
fn name(lab: &Lab, cluster: &Loaded, backend: &Backend, protocol: Protocol) -> String {
    let at = backend.at;
    let serves = |pod: &crate::model::Pod| {
        pod.addresses.contains(&at.ip())
            && (!pod.host_network || pod.ports.iter().any(|p| p.port == at.port() && p.protocol == protocol))
    };
    let pod = cluster.pods.iter().find(|(_, pod)| serves(&pod.value)).map(|(name, _)| name.to_string());
    pod.unwrap_or_else(|| {
        let node = lab.nodes.iter().find(|(_, node)| node.addresses.contains(&at.ip()));
        node.map_or_else(|| crate::lab::OUTSIDE.to_owned(), |(name, _)| format!("node/{name}"))
    })
}
