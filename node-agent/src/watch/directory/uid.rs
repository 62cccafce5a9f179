//! UIDs for objects that have none because no API server has seen them.
use crate::model::ObjectName;
use sha2::{Digest, Sha256};

/// A UID that depends on kind and name alone (so every reader of a directory makes the same), in the form of a UUID
/// (RFC 9562, version 8). An object that is removed and made anew under its name has the same one again, unless its
/// manifest says otherwise.
pub(super) fn of(kind: &str, name: &ObjectName) -> String {
    let hash = Sha256::digest(format!("ringfence\0{kind}\0{}\0{}", name.namespace, name.name));
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
