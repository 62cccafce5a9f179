//! What is said, as bytes: a line of JSON, and zeros behind it where the size matters.
use ringfence_keyring::rotation::Word;
use serde::{Deserialize, Serialize};

/// The version of the format.
const VERSION: u32 = 1;

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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    version: u32,
    message: Message,
}

/// The message in at least `size` bytes.
pub(super) fn write(message: Message, size: usize) -> Vec<u8> {
    // Numbers and names always have a JSON form; were that ever false, nobody would answer an empty message.
    let mut bytes = serde_json::to_vec(&Envelope { version: VERSION, message }).unwrap_or_default();
    bytes.push(b'\n');
    bytes.resize(size.max(bytes.len()), 0);
    bytes
}

/// The message in these bytes, if there is one.
pub(super) fn read(bytes: &[u8]) -> Option<Message> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    if bytes[end + 1..].iter().any(|byte| *byte != 0) {
        return None;
    }
    let envelope: Envelope = serde_json::from_slice(&bytes[..end]).ok()?;
    (envelope.version == VERSION).then_some(envelope.message)
}
