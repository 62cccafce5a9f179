//! The desired state: one index of everything the sources said, published as immutable snapshots.
mod index;
#[cfg(test)]
mod tests;

pub use index::Index;

use crate::model::{
    EndpointSlice, Namespace, NetworkPolicy, Node, ObjectName, Pod, Problem, Service, SourceVersion,
};
use crate::watch::Kind;
use ringfence_keyring::Publication;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything known at one moment. Cheap to clone; values are shared with the next snapshot where they did not change.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Number of the snapshot, from 1.
    pub revision: u64,
    /// Pods that have not completed.
    pub pods: Arc<BTreeMap<ObjectName, Arc<Pod>>>,
    /// Namespaces by name.
    pub namespaces: Arc<BTreeMap<String, Arc<Namespace>>>,
    /// Nodes by name.
    pub nodes: Arc<BTreeMap<String, Arc<Node>>>,
    /// Services.
    pub services: Arc<BTreeMap<ObjectName, Arc<Service>>>,
    /// EndpointSlices.
    pub slices: Arc<BTreeMap<ObjectName, Arc<EndpointSlice>>>,
    /// Policies.
    pub policies: Arc<BTreeMap<ObjectName, Arc<NetworkPolicy>>>,
    /// What nodes publish for the mesh, by node name.
    pub publications: Arc<BTreeMap<String, Arc<Publication>>>,
    /// What could not be taken as written.
    pub problems: Arc<Vec<Problem>>,
    /// Where objects were read that others can contradict ([`Kind::contradictable`]), as far as the source says.
    pub origins: Arc<BTreeMap<(Kind, String), Arc<str>>>,
    /// The state of the source that this is all of; `None` if the source has no such thing.
    pub version: Option<SourceVersion>,
}

impl Snapshot {
    /// Where an object was read that others can contradict; in words where the source does not say.
    pub fn origin(&self, kind: Kind, name: &str) -> String {
        let known = self.origins.get(&(kind, name.to_owned()));
        known.map_or_else(|| "the source of objects".to_owned(), ToString::to_string)
    }
}
