//! The desired state: one index of everything the sources said, published as immutable snapshots.
mod index;
#[cfg(test)]
mod tests;

pub use index::Index;

use crate::model::{
    EndpointSlice, MESH, MeshEpoch, Namespace, NetworkPolicy, Node, ObjectName, Pod, Problem, Revocation,
    RotationRequest, Service, SourceVersion,
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
    /// The mesh's epoch, under the one name that it has; empty: epoch 0.
    pub mesh: Arc<BTreeMap<String, Arc<MeshEpoch>>>,
    /// Requests to rotate keys, by name.
    pub rotations: Arc<BTreeMap<String, Arc<RotationRequest>>>,
    /// What is said of nodes that are or were revoked, by node name.
    pub revocations: Arc<BTreeMap<String, Arc<Revocation>>>,
    /// What could not be taken as written.
    pub problems: Arc<Vec<Problem>>,
    /// Where objects were read that others can contradict ([`Kind::contradictable`]), as far as the source says.
    pub origins: Arc<BTreeMap<(Kind, String), Arc<str>>>,
    /// The state of the source that this is all of; `None` if the source has no such thing.
    pub version: Option<SourceVersion>,
}

impl Snapshot {
    /// The mesh's epoch.
    pub fn mesh_epoch(&self) -> MeshEpoch {
        self.mesh.get(MESH).map_or_else(MeshEpoch::default, |mesh| **mesh)
    }

    /// Where an object was read that others can contradict; in words where the source does not say.
    pub fn origin(&self, kind: Kind, name: &str) -> String {
        let known = self.origins.get(&(kind, name.to_owned()));
        known.map_or_else(|| "the source of objects".to_owned(), ToString::to_string)
    }
}
