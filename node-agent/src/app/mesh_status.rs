//! The mesh's part of the status report.
use super::mesh::MeshKeeper;
use super::rotation::Rotation;
use crate::mesh::spec::DeviceSpec;
use crate::plan::mesh::{Backend, ObservedMesh};
use crate::status::{BackendStatus, MeshStatus, PeerStatus, PlaneStatus, RefusedOfStatus, RefusedStatus};
use crate::words::RefusedOf;
use ringfence_keyring::Plane;
use std::collections::BTreeMap;

impl MeshKeeper {
    /// The mesh as WireGuard has it now. What could not be asked is noted in `errors`.
    pub(super) async fn status(&mut self, errors: &mut Vec<String>) -> MeshStatus {
        let observed = self.executor.observe(&self.spec).await.unwrap_or_else(|e| {
            errors.push(e.to_string());
            ObservedMesh::default()
        });
        let mut planes = Vec::new();
        for (plane, spec) in &self.spec.devices {
            let refused = self.executor.refused_packets(*plane).await.ok();
            planes.push(PlaneStatus { refused_packets: refused, ..self.plane(*plane, spec, &observed) });
        }
        let mut rotation = self.rotation.as_ref().map(Rotation::status).unwrap_or_default();
        rotation.refused = self.refused_words(errors).await;
        MeshStatus {
            backend: match self.executor.backend() {
                Backend::Kernel => BackendStatus::Kernel,
                Backend::Userspace => BackendStatus::Userspace,
            },
            epoch: self.rotation.as_ref().map_or(0, |rotation| rotation.state.mesh_epoch().get()),
            planes,
            waiting: self.spec.waiting.iter().cloned().collect(),
            warnings: self.warnings.iter().cloned().collect(),
            retry: None,
            rotation,
        }
    }

    /// What was no agent's word. What could not be asked is noted in `errors`.
    async fn refused_words(&self, errors: &mut Vec<String>) -> RefusedStatus {
        let (strangers, impostors) = self.executor.dropped_words().await.unwrap_or_else(|e| {
            errors.push(e.to_string());
            (0, 0)
        });
        let refused = self.courier.refused.borrow().clone();
        let of = |of: &RefusedOf| RefusedOfStatus {
            forged: of.forged,
            other_keys: of.other_keys,
            formless: of.formless,
        };
        RefusedStatus {
            strangers: strangers + refused.strangers,
            impostors,
            nodes: refused.nodes.iter().map(|(node, counts)| (node.to_string(), of(counts))).collect(),
        }
    }

    /// Packets that the third lock kept from leaving in the clear. If nft cannot be asked, that is noted in `errors`.
    pub(super) async fn locked(&self, errors: &mut Vec<String>) -> u64 {
        self.executor.locked_packets().await.unwrap_or_else(|e| {
            errors.push(e.to_string());
            0
        })
    }

    /// Nodes that were refused, and why.
    pub(super) fn refused(&self) -> BTreeMap<String, String> {
        self.spec.refused.clone()
    }

    fn plane(&self, plane: Plane, spec: &DeviceSpec, observed: &ObservedMesh) -> PlaneStatus {
        let control = observed.devices.get(&plane).and_then(|device| device.control.as_ref());
        let peers = spec.peers.iter().map(|(key, wanted)| {
            let peer = control.and_then(|control| control.peers.get(key)).cloned().unwrap_or_default();
            PeerStatus {
                node: wanted.node.clone(),
                endpoint: peer.endpoint.map(|endpoint| endpoint.to_string()),
                handshake_seconds: peer.handshake.map(|age| age.as_secs()),
                received: peer.rx_bytes,
                sent: peer.tx_bytes,
                allowed: peer.allowed.iter().map(ToString::to_string).collect(),
            }
        });
        let epoch = self.rotation.as_ref().and_then(|rotation| rotation.epoch(plane)).unwrap_or(0);
        PlaneStatus {
            device: plane.device().to_owned(),
            active: self.rotation.as_ref().is_some_and(|r| r.state.mesh_epoch().plane() == plane),
            epoch,
            public_key: spec.public_key.map_or_else(String::new, |key| key.to_string()),
            key_age_seconds: self.rotation.as_ref().and_then(|rotation| rotation.age(plane)),
            port: spec.listen_port,
            mtu: observed.devices.get(&plane).map_or(spec.mtu, |device| device.mtu),
            refused_packets: None,
            peers: peers.collect(),
        }
    }
}
