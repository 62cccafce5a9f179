//! A node's public key, and which 32 bytes may be one.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x25519_dalek::StaticSecret;

use super::secret::decode;
use super::{KEY_LEN, KeyError};

/// The field's prime, 2^255 - 19, as RFC 7748 writes numbers: little-endian.
const PRIME: [u8; KEY_LEN] = {
    let mut prime = [0xff; KEY_LEN];
    prime[0] = 0xed;
    prime[31] = 0x7f;
    prime
};

/// A Curve25519 public key: a u-coordinate in canonical form (RFC 7748 §5), not of small order.
///
/// `Display`, `FromStr` and serde use base64 (44 characters). The order is that of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; KEY_LEN]);

impl PublicKey {
    /// The key in 32 bytes.
    ///
    /// # Errors
    /// [`KeyError::AllZero`], [`KeyError::LowOrder`] or [`KeyError::NonCanonical`].
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> Result<PublicKey, KeyError> {
        if bytes == [0; KEY_LEN] {
            return Err(KeyError::AllZero);
        }
        if is_low_order(bytes) {
            return Err(KeyError::LowOrder);
        }
        if !is_reduced(&bytes) {
            return Err(KeyError::NonCanonical);
        }
        Ok(PublicKey(bytes))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// The 44 characters of base64.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// What people compare and logs show: the first 16 hexadecimal digits of the SHA-256 of the 32 bytes.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        Sha256::digest(self.0)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Every clamped scalar is a multiple of 8, the cofactor (of the twist: 4), so it takes exactly the points of
/// small order to the neutral element, which X25519 writes as zero. One multiplication with any scalar
/// therefore finds all of them, in any spelling, without a table that could miss one.
fn is_low_order(bytes: [u8; KEY_LEN]) -> bool {
    let point = x25519_dalek::PublicKey::from(bytes);
    !StaticSecret::from([0; KEY_LEN]).diffie_hellman(&point).was_contributory()
}

fn is_reduced(bytes: &[u8; KEY_LEN]) -> bool {
    bytes.iter().rev().lt(PRIME.iter().rev())
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<PublicKey, KeyError> {
        let decoded = decode(text)?;
        let bytes =
            decoded.as_slice().try_into().map_err(|_| KeyError::WrongLength { found: decoded.len() })?;
        PublicKey::from_bytes(bytes)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<PublicKey, KeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        key.to_base64()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}
