//! What isolates the two pods of a rig.

use anyhow::Result;
use ringfence::model::{
    LabelSelector, NamespaceMatch, NetworkPolicy, ObjectName, Peer, Peers, PortMatch, Ports, Protocol, Rule,
};

use super::cluster::{Cluster, HERE, LARGE, selector};
use super::rig::{A, B, PORTS};

/// The cluster around them, and A and B in a namespace of their own.
pub(crate) fn cluster() -> Result<Cluster> {
    let mut cluster = Cluster::new(LARGE)?;
    cluster.add_namespace("bench", &[]);
    for (name, address) in [("a", A), ("b", B)] {
        cluster.add_pod(ObjectName::new("bench", name), HERE, vec![address.into()], &[("app", name)]);
    }
    Ok(cluster)
}

/// The other pod of the two, on the ports that B is called at.
pub(crate) fn the_other(app: &str) -> Rule {
    let pods = selector(&[("app", app.to_owned())]);
    Rule {
        peers: Peers::Only(vec![Peer::Pods { namespaces: NamespaceMatch::Named("bench".into()), pods }]),
        ports: called(),
    }
}

/// The ports that B is called at.
pub(crate) fn called() -> Ports {
    Ports::Only(vec![PortMatch::Range(Protocol::Udp, PORTS.start, PORTS.end - 1)])
}

/// A policy of one pod of the two.
pub(crate) fn policy(
    name: &str,
    app: &str,
    ingress: Option<Vec<Rule>>,
    egress: Option<Vec<Rule>>,
) -> NetworkPolicy {
    NetworkPolicy {
        name: ObjectName::new("bench", name),
        selector: selector(&[("app", app.to_owned())]),
        ingress,
        egress,
    }
}

/// A policy that shuts every pod of the namespace off.
pub(crate) fn default_deny() -> NetworkPolicy {
    NetworkPolicy {
        name: ObjectName::new("bench", "default-deny"),
        selector: LabelSelector::default(),
        ingress: Some(Vec::new()),
        egress: Some(Vec::new()),
    }
}
