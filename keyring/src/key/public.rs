//! A node's public key, and which 32 bytes may be one.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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
        if is_low_order(&bytes) {
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

/// The u-coordinates of small order in canonical form, but for zero: 1, the two of order 8, and p - 1
/// (cr.yp.to/ecdh.html, "How do I validate Curve25519 public keys?"). The other spellings there are not canonical.
const LOW_ORDER: [[u8; KEY_LEN]; 4] = {
    let (mut one, mut greatest) = ([0; KEY_LEN], PRIME);
    one[0] = 1;
    greatest[0] -= 1;
    [
        one,
        [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
            0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
        ],
        [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
            0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
        ],
        greatest,
    ]
};

/// A table, not a multiplication, which finds them as well: an agent of a large mesh reads thousands of keys a second.
fn is_low_order(bytes: &[u8; KEY_LEN]) -> bool {
    // X25519 ignores the top bit (RFC 7748 section 5), and takes p and p + 1 for 0 and 1.
    let mut plain = *bytes;
    plain[31] &= 0x7f;
    if !is_reduced(&plain) {
        plain = core::array::from_fn(|at| if at == 0 { plain[0].wrapping_sub(PRIME[0]) } else { 0 });
    }
    plain == [0; KEY_LEN] || LOW_ORDER.contains(&plain)
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
