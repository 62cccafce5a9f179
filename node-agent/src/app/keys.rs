//! This node's keys: from disk, made anew where they must be, and published.
use super::Config;
use crate::desired::Snapshot;
use crate::mesh::UnderlayFacts;
use crate::model::Node;
use crate::watch::directory::{self, WriteError};
use ringfence_keyring::{Epoch, KeyStore, PlaneKeys, Publication, PublicationError, StoreError};
use std::net::IpAddr;

/// Why this node takes no part in the mesh.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeysError {
    /// The store on disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What would be published is not valid.
    #[error("cannot publish for Node {node}: {source}")]
    Publication { node: String, source: PublicationError },
    /// It could not be published.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The node has none of the addresses that its Node object names.
    #[error("Node {node}: this machine has none of its addresses {addresses:?}; mend status.addresses")]
    NoAddress { node: String, addresses: Vec<IpAddr> },
}

/// The keys of both planes, and the store that holds its lock while they are used.
pub(super) struct Keys {
    store: KeyStore,
    pub(super) keys: PlaneKeys,
}

impl Keys {
    /// Takes the keys from disk, or makes them. Keys of another Node UID, of other epochs than the mesh's, and keys that
    /// are not those this node has published, are not used any more: both are made anew.
    pub(super) fn open(
        config: &Config,
        node: &Node,
        snapshot: &Snapshot,
        epoch: Epoch,
    ) -> Result<Self, KeysError> {
        let (mut store, remade) = KeyStore::open_for_new_node(&config.keys(), &node.uid)?;
        if remade {
            tracing::warn!(
                node = node.name,
                uid = node.uid,
                "the Node object is a new one: keys are made anew"
            );
        }
        let on_disk = store.load()?;
        let there = on_disk.zero.is_some() && on_disk.one.is_some();
        let mut keys = match store.load_or_create(epoch) {
            Err(StoreError::OutOfStep { .. }) => store.remake(epoch)?,
            other => other?,
        };
        let published = snapshot.publications.get(&node.name).filter(|p| p.uid() == node.uid);
        if there && published.is_some_and(|published| !keys.agree_with(published)) {
            tracing::warn!(node = node.name, "published keys are not those on disk: keys are made anew");
            keys = store.remake(epoch)?;
        }
        Ok(Self { store, keys })
    }

    /// Whether they were made for this Node object.
    pub(super) fn are_for(&self, node: &Node) -> bool {
        self.store.node_uid() == node.uid
    }

    /// Publishes them, unless what is published says the same.
    pub(super) fn publish(
        &self,
        config: &Config,
        node: &Node,
        snapshot: &Snapshot,
        (underlay, epoch): (&UnderlayFacts, Epoch),
    ) -> Result<(), KeysError> {
        let endpoints: Vec<IpAddr> = underlay.addresses.iter().map(|a| a.address).collect();
        if endpoints.is_empty() {
            return Err(KeysError::NoAddress { node: node.name.clone(), addresses: node.addresses.clone() });
        }
        let planes = self.keys.published(config.ports);
        let publication = Publication::new(&node.name, &node.uid, epoch, planes, &endpoints)
            .map_err(|source| KeysError::Publication { node: node.name.clone(), source })?;
        if snapshot.publications.get(&node.name).is_some_and(|there| **there == publication) {
            return Ok(());
        }
        tracing::info!(node = node.name, %epoch, "keys published");
        Ok(directory::publish(&config.source, &publication)?)
    }
}
