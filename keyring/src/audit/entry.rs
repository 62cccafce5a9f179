//! What the log says, and how it is written.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::epoch::Epoch;
use crate::plane::Plane;

/// What the first line names as the hash of the line before it.
pub(super) const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What begins a line's own hash, which ends in two more characters, `"}`.
const SEAL: &str = ",\"hash\":\"";

/// Something that happened to a key or a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum KeyEvent {
    /// A key was made.
    Made {
        /// For which plane.
        plane: Plane,
        /// For which epoch.
        epoch: Epoch,
        /// Its [fingerprint](crate::PublicKey::fingerprint).
        key: String,
    },
    /// Keys were published.
    Published {
        /// The publication's serial.
        serial: u64,
        /// Fingerprints, of `rf-wg0` and `rf-wg1`.
        keys: [String; 2],
    },
    /// Traffic to all peers goes by this key.
    InUse {
        /// On which plane.
        plane: Plane,
        /// Of which epoch.
        epoch: Epoch,
        /// Its fingerprint.
        key: String,
    },
    /// A key was destroyed.
    Retired {
        /// On which plane.
        plane: Plane,
        /// Of which epoch.
        epoch: Epoch,
        /// Its fingerprint.
        key: String,
    },
    /// A node is not trusted any more.
    Revoked {
        /// Its name.
        peer: String,
        /// Its UID.
        uid: String,
    },
    /// It is again.
    Admitted {
        /// Its name.
        peer: String,
        /// Its UID.
        uid: String,
    },
    /// A peer published the head of its own log: kept here as an anchor for it.
    HeadSeen {
        /// Its name.
        peer: String,
        /// Its UID.
        uid: String,
        /// What it published.
        head: Head,
    },
    /// A new file begins, which goes on where the one before ended.
    Continued {
        /// How many files came before it.
        before: u64,
    },
    /// The agent found its log's last line torn by a crash, and took it off.
    Torn {
        /// How long the rest was, bytes.
        bytes: u64,
        /// SHA-256 of it, hexadecimal.
        digest: String,
    },
}

/// An entry: when, whose, what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// RFC 3339, by the node's own clock.
    pub at: String,
    /// The node's name.
    pub node: String,
    /// What happened.
    #[serde(flatten)]
    pub event: KeyEvent,
}

/// The end of a log: of two heads of one log the greater number is the later.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Head {
    /// How many lines it has.
    pub number: u64,
    /// Hash of the last, 64 hexadecimal digits.
    pub hash: String,
}

impl Head {
    /// Of a log without lines.
    #[must_use]
    pub fn empty() -> Head {
        Head { number: 0, hash: NOTHING.to_owned() }
    }
}

/// A line, without the hash that ends it.
#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) previous: String,
    #[serde(flatten)]
    pub(super) entry: Entry,
}

/// The line that follows `head`, with its line feed, and the head that it makes.
pub(super) fn write(head: &Head, entry: &Entry) -> Result<(String, Head), serde_json::Error> {
    let number = head.number + 1;
    let line = Line { number, previous: head.hash.clone(), entry: entry.clone() };
    let mut text = serde_json::to_string(&line)?;
    text.pop();
    let hash = hex(&Sha256::digest(text.as_bytes()));
    text.push_str(SEAL);
    text.push_str(&hash);
    text.push_str("\"}\n");
    Ok((text, Head { number, hash }))
}

/// A line without its line feed: what it says, the hash it ends in, and whether that is its hash. `None` if it is no line.
pub(super) fn read(text: &[u8]) -> Option<(Line, String, bool)> {
    let text = str::from_utf8(text).ok()?;
    let (covered, seal) = text.rsplit_once(SEAL)?;
    let hash = seal.strip_suffix("\"}")?;
    let line: Line = serde_json::from_str(&format!("{covered}}}")).ok()?;
    Some((line, hash.to_owned(), hex(&Sha256::digest(covered.as_bytes())) == hash))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
