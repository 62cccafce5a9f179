//! The contents of a key file: one JSON object.
//!
//! `{"version":1,"nodeUID":"...","plane":"rf-wg0","epoch":0,"privateKey":"<base64>","publicKey":"<base64>",
//! "checksum":"<hex SHA-256>"}`. The checksum covers every field but the private key, whose own check is that it
//! gives the public key: so the digest neither holds nor tells anything secret.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Damage, PlaneKey, StoreError};
use crate::epoch::Epoch;
use crate::key::{PrivateKey, PublicKey};
use crate::plane::Plane;

const VERSION: u32 = 1;

/// Longer than any record: the longest UID, two keys and the rest come to some 500 bytes.
pub(super) const MAX_LEN: usize = 2048;

// Strings are borrowed from the text: copies of the private key would not be wiped. (A string with an escape
// cannot be borrowed, and is refused as damage; we write none.) No Debug, for the same reason.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Record<'a> {
    version: u32,
    #[serde(rename = "nodeUID", borrow)]
    node_uid: &'a str,
    plane: &'a str,
    epoch: u64,
    private_key: &'a str,
    public_key: &'a str,
    checksum: &'a str,
}

impl Record<'_> {
    fn expected_checksum(&self) -> String {
        let covered = format!(
            "ringfence key {}\n{}\n{}\n{}\n{}\n",
            self.version, self.node_uid, self.plane, self.epoch, self.public_key
        );
        Sha256::digest(covered).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Whether a Node UID can stand in a record: what Kubernetes gives is a UUID, what a directory of manifests may
/// say is any text, and this much of it is taken.
pub(crate) fn is_uid(uid: &str) -> bool {
    (1..=128).contains(&uid.len())
        && uid.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

/// The text of a key file.
pub(super) fn write(node_uid: &str, key: &PlaneKey, path: &Path) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let private = key.private().expose_base64();
    let public = key.public().to_base64();
    let mut record = Record {
        version: VERSION,
        node_uid,
        plane: key.plane().device(),
        epoch: key.epoch().get(),
        private_key: &private,
        public_key: &public,
        checksum: "",
    };
    let checksum = record.expected_checksum();
    record.checksum = &checksum;
    // Big enough from the start: growing would leave an unwiped copy.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_LEN));
    serde_json::to_writer(&mut *text, &record)
        .map_err(|error| StoreError::io("write the key for", path)(error.into()))?;
    text.push(b'\n');
    Ok(text)
}

/// The key in the text of the file at `path`, which must be one of `plane` and made for `node_uid`.
pub(super) fn read(text: &[u8], plane: Plane, node_uid: &str, path: &Path) -> Result<PlaneKey, StoreError> {
    let damaged = |damage| StoreError::Damaged { path: path.into(), damage };
    if text.is_empty() {
        return Err(damaged(Damage::Empty));
    }
    if text.len() > MAX_LEN {
        return Err(damaged(Damage::TooLong { limit: MAX_LEN }));
    }
    // Its error may quote the text, so only the place is kept.
    let record: Record<'_> = serde_json::from_slice(text)
        .map_err(|error| damaged(Damage::Json { line: error.line(), column: error.column() }))?;
    if record.version != VERSION {
        return Err(damaged(Damage::Version { found: record.version, known: VERSION }));
    }
    let epoch = Epoch::new(record.epoch).map_err(|error| damaged(Damage::Epoch { epoch: error.number }))?;
    if record.plane != plane.device() || epoch.plane() != plane {
        return Err(damaged(Damage::Plane));
    }
    let public: PublicKey =
        record.public_key.parse().map_err(|source| damaged(Damage::Key { field: "publicKey", source }))?;
    let private = PrivateKey::from_base64(record.private_key)
        .map_err(|source| damaged(Damage::Key { field: "privateKey", source }))?;
    if private.public() != public {
        return Err(damaged(Damage::Pair));
    }
    if record.checksum != record.expected_checksum() {
        return Err(damaged(Damage::Checksum));
    }
    if record.node_uid != node_uid {
        return Err(StoreError::OtherNode {
            path: path.into(),
            stored: record.node_uid.to_owned(),
            wanted: node_uid.to_owned(),
        });
    }
    Ok(PlaneKey::new(epoch, private))
}
