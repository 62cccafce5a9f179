//! What the API server would hold: a directory with a file per object, which all agents of a lab read.
use super::{Lab, LabError};
use crate::model::{ObjectName, Pod};
use crate::watch::Kind;
use crate::watch::directory::{self, LoadErrors, Loaded, Mode, Options, WriteError};
use ipnetwork::IpNetwork;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

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
            let file = directory::file_name(kind, &name);
            // Agents and `ringfence keys` write these: what was read may be out of date by now.
            let theirs = kind == Kind::RingfenceNode || kind.is_ours() && source.join(&file).exists();
            kept.insert(file);
            if !theirs {
                directory::write(&source, kind, &name, &object)?;
            }
        }
        let of_keys = [Kind::RingfenceMesh, Kind::RingfenceRotation, Kind::RingfenceRevocation]
            .map(|kind| format!("{}.", kind.to_string().to_ascii_lowercase()));
        for entry in std::fs::read_dir(&source).map_err(LabError::file("list", &source))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let about_keys = of_keys.iter().any(|kind| name.starts_with(kind));
            if name.ends_with(".json") && !name.starts_with('.') && !about_keys && !kept.contains(&name) {
                std::fs::remove_file(entry.path()).map_err(LabError::file("remove", &entry.path()))?;
            }
        }
        self.write_hosts(cluster)
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
