//! What is said, as bytes:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | [`MAGIC`] |
//! | 4 | 8 | the name of the sender's key for what it says to the receiver |
//! | 12 | 32 | HMAC-SHA256 under that key, of bytes 0 to 11 and of all from 44 to the end |
//! | 44 | | a [`Message`] as JSON, a line feed, and zeros where the size matters |
//!
//! Keys and their names: [`ringfence_keyring::pair`]. Nothing behind byte 43 is looked at before the tag is found right.
use ringfence_keyring::PairKey;
use ringfence_keyring::pair::{NAME_LEN, TAG_LEN, Untrue};
use ringfence_keyring::rotation::Word;
use serde::{Deserialize, Serialize};

/// What every message begins with; the last byte is the version of the format. Version 1 was JSON alone, and anybody's.
const MAGIC: &[u8; 4] = b"RFW\x02";
const NAME_AT: usize = MAGIC.len();
const TAG_AT: usize = NAME_AT + NAME_LEN;
const TEXT_AT: usize = TAG_AT + TAG_LEN;

/// A message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Message {
    /// Answer this, in the same size.
    Probe {
        /// Anything; comes back in the answer.
        number: u64,
    },
    /// The answer.
    Answer {
        /// The probe's.
        number: u64,
    },
    /// The sender's word, and which of the receiver's has reached it. One that answers another is not answered.
    #[serde(rename_all = "camelCase")]
    Word {
        /// The sender's, if it can give one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        word: Option<Word>,
        /// The receiver's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        heard: Option<Word>,
    },
}

/// Why bytes are no message of the node that they came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Unread {
    /// Too short, or of another version.
    #[error("it has not the form of a message of this version")]
    Form,
    /// Whose it is, is not shown.
    #[error(transparent)]
    Untrue(#[from] Untrue),
}

/// The message in at least `size` bytes, for whoever has the other half of `key`.
pub(super) fn write(message: Message, size: usize, key: &PairKey) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size.max(256));
    bytes.extend(MAGIC);
    bytes.extend(key.name());
    bytes.extend([0; TAG_LEN]);
    // Numbers and names always have a JSON form; were that ever false, nobody would answer an empty message.
    bytes.extend(serde_json::to_vec(&message).unwrap_or_default());
    bytes.push(b'\n');
    bytes.resize(size.max(bytes.len()), 0);
    let tag = key.tag(&[&bytes[..TAG_AT], &bytes[TEXT_AT..]]);
    bytes[TAG_AT..TEXT_AT].copy_from_slice(&tag);
    bytes
}

/// The message in these bytes, if the node that `key` is shared with made them.
///
/// # Errors
/// [`Unread`].
pub(super) fn read(bytes: &[u8], key: &PairKey) -> Result<Message, Unread> {
    if bytes.len() <= TEXT_AT || !bytes.starts_with(MAGIC) {
        return Err(Unread::Form);
    }
    let ((head, tag), text) = (bytes[..TEXT_AT].split_at(TAG_AT), &bytes[TEXT_AT..]);
    key.check(&head[NAME_AT..], tag, &[head, text])?;
    let end = text.iter().position(|byte| *byte == b'\n').ok_or(Unread::Form)?;
    if text[end + 1..].iter().any(|byte| *byte != 0) {
        return Err(Unread::Form);
    }
    serde_json::from_slice(&text[..end]).map_err(|_| Unread::Form)
}
