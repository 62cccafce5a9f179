//! What must survive a restart. It is written before anything is done that rests on it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::published::{NodeName, NodeUid, OwnKey};
use crate::epoch::Epoch;
use crate::key::PublicKey;
use crate::plane::{PerPlane, Plane};

/// The version of the format that this build writes and reads.
pub const VERSION: u32 = 1;

/// The durable part of a node's state: no secrets. As JSON: one object, field names in camelCase.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// [`VERSION`].
    pub version: u32,
    /// The Node UID that everything here is about.
    #[serde(rename = "nodeUID")]
    pub node_uid: NodeUid,
    /// The greatest epoch of the mesh known of.
    pub mesh: Epoch,
    /// Of our newest publication.
    pub serial: u64,
    /// Our keys; of a plane that is being retired, the one that goes.
    pub keys: PerPlane<Option<OwnKey>>,
    /// The planes whose key is being replaced just now.
    pub retiring: PerPlane<bool>,
    /// Both keys are being replaced, whatever they are.
    pub remaking: bool,
    /// The planes whose key is to be replaced by one of the same epoch, with the serial that told so first.
    pub leaving: PerPlane<Option<u64>>,
    /// The serials that first told of the keys, or told again that they stay.
    pub since: PerPlane<u64>,
    /// Rotations of this node alone that it has begun.
    pub turns: u64,
    /// The plane that is still to follow in such a rotation.
    pub second: Option<Plane>,
    /// The mesh's epoch at which the idle key was made anew by request.
    pub fresh: Option<Epoch>,
    /// The peers, with the newest publication of each that was taken in.
    pub peers: BTreeMap<NodeName, Known>,
    /// What was said about nodes that are or were revoked, by UID.
    pub judged: BTreeMap<NodeUid, Judgement>,
}

/// What is known of a peer for good.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Known {
    /// Of its Node object.
    pub uid: NodeUid,
    /// Of its newest publication; 0 if none was read.
    pub serial: u64,
    /// The keys there: nobody else may show them. Empty in what older versions wrote.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keys: BTreeSet<PublicKey>,
}

/// A revocation, or its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Judgement {
    /// The node's name.
    pub node: NodeName,
    /// The greatest number read. Of judgements about different UIDs of one name, the one with the greatest holds for the name.
    pub number: u64,
    /// Revoked, or admitted again.
    pub revoked: bool,
    /// The keys the node was known by when it was revoked: nobody else may show them either.
    pub keys: BTreeSet<PublicKey>,
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not JSON, cut off, or other fields.
    #[error("the rotation record is damaged: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by another version.
    #[error("the rotation record has version {found}, and this build reads {VERSION}")]
    Version {
        /// What it says.
        found: u64,
    },
}

impl Record {
    /// Of a node that knows nothing yet.
    #[must_use]
    pub fn new(node_uid: NodeUid, mesh: Epoch) -> Record {
        Record {
            version: VERSION,
            node_uid,
            mesh,
            serial: 0,
            keys: PerPlane::default(),
            retiring: PerPlane::default(),
            remaking: false,
            leaving: PerPlane::default(),
            since: PerPlane::default(),
            turns: 0,
            second: None,
            fresh: None,
            peers: BTreeMap::new(),
            judged: BTreeMap::new(),
        }
    }

    /// Of a node whose agent kept none yet: both its keys were made before, and are those it published as `serial`. It
    /// goes on with them, and with the peers that its kernel has.
    #[must_use]
    pub fn adopt(
        node_uid: NodeUid,
        mesh: Epoch,
        (keys, serial): (PerPlane<OwnKey>, u64),
        peers: impl IntoIterator<Item = (NodeName, NodeUid)>,
    ) -> Record {
        let known = |(name, uid)| (name, Known::new(uid));
        Record {
            serial,
            keys: keys.map(|_, key| Some(key)),
            peers: peers.into_iter().map(known).collect(),
            ..Record::new(node_uid, mesh)
        }
    }

    /// Reads the JSON text.
    ///
    /// # Errors
    /// [`RecordError`]; the version is looked at before the fields.
    pub fn from_json(text: &str) -> Result<Record, RecordError> {
        let value: serde_json::Value = serde_json::from_str(text)?;
        let found = value.get("version").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if found != u64::from(VERSION) {
            return Err(RecordError::Version { found });
        }
        Ok(serde_json::from_value(value)?)
    }

    /// The JSON text, on one line with a line feed at its end.
    ///
    /// # Errors
    /// None that could happen: every field has a JSON form.
    pub fn to_json(&self) -> Result<String, RecordError> {
        Ok(serde_json::to_string(self)? + "\n")
    }

    /// Whether a node is revoked: its UID, or its name by what was said of it last, so that a Node object made anew brings
    /// nobody back.
    #[must_use]
    pub fn is_revoked(&self, node: &str, uid: &str) -> bool {
        let of_uid = self.judged.get(uid).is_some_and(|judgement| judgement.revoked);
        of_uid || self.last_judgement(node).is_some_and(|(_, judgement)| judgement.revoked)
    }

    /// What was said last of the nodes that bore this name, with the UID it was said of.
    #[must_use]
    pub fn last_judgement(&self, node: &str) -> Option<(&NodeUid, &Judgement)> {
        let of_name = self.judged.iter().filter(|(_, judgement)| *judgement.node == *node);
        of_name.max_by_key(|(_, judgement)| (judgement.number, judgement.revoked))
    }
}

impl Known {
    /// Of a peer of which nothing was read yet.
    #[must_use]
    pub fn new(uid: NodeUid) -> Known {
        Known { uid, serial: 0, keys: BTreeSet::new() }
    }
}
