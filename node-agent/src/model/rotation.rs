//! What people and the mesh as a whole say of keys: objects that agents obey, and cannot write but for one number.
use ringfence_keyring::Epoch;
use serde::{Deserialize, Serialize};

/// Name of the one [`MeshEpoch`].
pub const MESH: &str = "mesh";

/// The mesh's epoch (RingfenceMesh). Absent: epoch 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MeshEpoch {
    /// The epoch.
    pub epoch: Epoch,
    /// When it was raised to that, Unix seconds by the clock of who did; 0: not known.
    pub since: u64,
}

/// Somebody wants keys to rotate (RingfenceRotation). It stays until it is removed, and is satisfied once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotationRequest {
    /// This node's keys alone; absent: those of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The mesh's epoch when it was asked for, or the node's turns: satisfied once that is beyond.
    pub from: u64,
    /// Idle keys are made anew first (of all only).
    #[serde(default)]
    pub fresh: bool,
    /// Whoever has not moved is cut.
    #[serde(default)]
    pub force: bool,
}

/// A node is not trusted any more, or again (RingfenceRevocation, named as the node).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revocation {
    /// `metadata.uid` of its Node object.
    #[serde(rename = "nodeUID")]
    pub node_uid: String,
    /// Of several about one UID the greatest holds.
    pub number: u64,
    /// Revoked; else admitted.
    pub revoked: bool,
}
