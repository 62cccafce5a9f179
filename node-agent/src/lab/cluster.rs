//! What the API server would hold: a directory with a file per object, which all agents of a lab read.
use super::{Lab, LabError};
use crate::model::{ObjectName, Pod};
use crate::watch::Kind;
use crate::watch::directory::{self, LoadErrors, Loaded, Mode, Options, WriteError};
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// A namespace that the lab writes last, with a number in a label: an agent that has seen that has seen everything.
const MARKER: &str = "ringfence-lab";

impl From<LoadErrors> for LabError {
    fn from(errors: LoadErrors) -> Self {
        Self::Manifests(errors)
    }
}

impl From<WriteError> for LabError {
    fn from(error: WriteError) -> Self {
        Self::File { operation: error.operation, path: error.path, source: error.source }
    }
}

impl Lab {
    /// The cluster as its agents see it.
    ///
    /// # Errors
    /// [`LabError::Manifests`] if somebody wrote into the directory what cannot be read.
    pub fn cluster(&self) -> Result<Loaded, LabError> {
        let source = self.source();
        Ok(directory::read_all(&[&source], Options { mode: Mode::Watch, ..Options::default() })?)
    }

    /// Writes a cluster for the agents: what differs, each object whole or not at all, and takes away what is no more.
    /// Publications are the agents' own; those of nodes that are gone go too.
    ///
    /// # Errors
    /// [`LabError::File`].
    pub(super) fn write_cluster(&mut self, cluster: &Loaded) -> Result<(), LabError> {
        let source = self.source();
        let mut kept = BTreeSet::new();
        for node in cluster.nodes.keys() {
            kept.insert(directory::file_name(Kind::RingfenceNode, &ObjectName::new("", node.as_str())));
        }
        for object in cluster.objects() {
            let Some((kind, name)) = identity(&object) else { continue };
            kept.insert(directory::file_name(kind, &name));
            if kind != Kind::RingfenceNode && name.name != MARKER {
                directory::write(&source, kind, &name, &object)?;
            }
        }
        kept.insert(directory::file_name(Kind::Namespace, &ObjectName::new("", MARKER)));
        for entry in std::fs::read_dir(&source).map_err(LabError::file("list", &source))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".json") && !name.starts_with('.') && !kept.contains(&name) {
                std::fs::remove_file(entry.path()).map_err(LabError::file("remove", &entry.path()))?;
            }
        }
        self.write_hosts(cluster)?;
        self.revision += 1;
        let object = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": MARKER, "labels": {"lab.ringfence.dev/revision": self.revision.to_string()}},
        });
        Ok(directory::write(&source, Kind::Namespace, &ObjectName::new("", MARKER), &object)?)
    }
}

fn identity(object: &Value) -> Option<(Kind, ObjectName)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = Kind::ALL.into_iter().find(|kind| object["kind"] == json!(kind.to_string()))?;
    let metadata = &object["metadata"];
    Some((kind, ObjectName::new(text(&metadata["namespace"]), text(&metadata["name"]))))
}

/// Reads manifests as people write them.
///
/// # Errors
/// [`LabError::Manifests`], each fault with file, object and field.
pub fn read(paths: &[&Path], options: Options<'_>) -> Result<Loaded, LabError> {
    Ok(directory::read_all(paths, options)?)
}

/// Pods that run, by `namespace/name`.
pub(super) fn pods(cluster: &Loaded) -> impl Iterator<Item = (String, &Arc<Pod>)> {
    cluster.pods.iter().map(|(name, pod)| (name.to_string(), &pod.value))
}

/// All pod CIDRs.
pub(super) fn pod_cidrs(cluster: &Loaded) -> BTreeSet<IpNetwork> {
    cluster.nodes.values().flat_map(|node| node.value.pod_cidrs.clone()).collect()
}

/// What the whole cluster's pod CIDRs would be, of which nodes get theirs: the nodes' /16s and /48s, unless one of those
/// holds addresses of nodes or Services. For what is in them never leaves a node in the clear.
pub(super) fn cluster_cidrs(cluster: &Loaded) -> BTreeSet<IpNetwork> {
    let mut others: Vec<IpAddr> = cluster.nodes.values().flat_map(|n| n.value.addresses.clone()).collect();
    for service in cluster.services.values() {
        others.extend(service.value.cluster_ips.iter().chain(&service.value.external_ips));
    }
    let wider = |cidr: &IpNetwork| match cidr {
        IpNetwork::V4(v4) => Ipv4Network::new(v4.ip(), v4.prefix().min(16))
            .and_then(|n| Ipv4Network::new(n.network(), n.prefix()))
            .map(IpNetwork::V4),
        IpNetwork::V6(v6) => Ipv6Network::new(v6.ip(), v6.prefix().min(48))
            .and_then(|n| Ipv6Network::new(n.network(), n.prefix()))
            .map(IpNetwork::V6),
    };
    let whole = |cidr: &IpNetwork| match wider(cidr) {
        Ok(wide) if !others.iter().any(|a| wide.contains(*a)) => wide,
        _ => *cidr,
    };
    pod_cidrs(cluster).iter().map(whole).collect()
}
