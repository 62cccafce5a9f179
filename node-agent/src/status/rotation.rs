//! What the report says of the rotation of keys. Fields are only added, never renamed.
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the rotation of keys stands, as this node sees it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationStatus {
    /// Whether this node has keys to replace.
    pub rotating: bool,
    /// Whether no node that this one has read of has anything left to do.
    pub quiet: bool,
    /// Of its newest publication.
    pub serial: u64,
    /// Rotations of this node alone that it has begun.
    pub turns: u64,
    /// Whom it waits for.
    pub waiting: Vec<WaitingStatus>,
    /// Routes onto the mesh that cannot be made here, and why; whatever moves, moves without them.
    #[serde(default)]
    pub unmade: Vec<String>,
    /// What came to this node's agent, or was to leave for others', and is no agent's word.
    #[serde(default)]
    pub refused: RefusedStatus,
    /// Nodes that are revoked here, by the UID that this was said of last; it holds for the name.
    pub revoked: BTreeMap<String, String>,
    /// Number and hash of the audit log's last line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<(u64, String)>,
}

/// Packets to the UDP port at which agents talk to each other over the mesh that were not listened to.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedStatus {
    /// From addresses that are no node's, dropped before they are queued.
    pub strangers: u64,
    /// From processes of this node that are not root's, to other nodes: dropped here.
    pub impostors: u64,
    /// By the node whose address they bore, since this agent started.
    pub nodes: BTreeMap<String, RefusedOfStatus>,
}

/// Those that bore one node's address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedOfStatus {
    /// In the name of the node's key, by somebody who does not have it.
    pub forged: u64,
    /// By other keys, as they may be for an instant while keys change.
    pub other_keys: u64,
    /// Of no form that this version knows; of an older agent, say.
    pub formless: u64,
}

/// Whom a rotation waits for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingStatus {
    /// The plane that it keeps.
    pub plane: String,
    /// Who.
    pub node: String,
    /// Why.
    pub reason: String,
    /// Seconds for which it was not heard, on either plane.
    pub unheard_seconds: u64,
}
