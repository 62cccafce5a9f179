//! The symmetric key two peers may share on top of their key pairs.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::secret::SecretBytes;
use super::{KEY_LEN, KeyError, RandomnessError};

/// A WireGuard preshared key: 32 random bytes, mixed into the handshake of one pair of peers (WireGuard
/// white paper §5.2).
///
/// Wiped when dropped, as secret as a [`PrivateKey`](super::PrivateKey): no `Clone`, `Display` or serde.
/// Equality takes the same time wherever two keys differ.
pub struct PresharedKey(SecretBytes);

impl PresharedKey {
    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    /// [`RandomnessError`] when the system call fails.
    pub fn generate() -> Result<PresharedKey, RandomnessError> {
        SecretBytes::random().map(PresharedKey)
    }

    /// The key in 32 bytes. The caller wipes its own copy.
    ///
    /// # Errors
    /// [`KeyError::AllZero`]: WireGuard reads that as "no preshared key".
    pub fn from_bytes(bytes: &[u8; KEY_LEN]) -> Result<PresharedKey, KeyError> {
        SecretBytes::copy_of(bytes).map(PresharedKey)
    }

    /// The key in 44 characters of base64. The caller wipes its own copy of the text.
    ///
    /// # Errors
    /// [`KeyError`]; it never contains any of the text.
    pub fn from_base64(text: &str) -> Result<PresharedKey, KeyError> {
        SecretBytes::from_base64(text).map(PresharedKey)
    }

    /// **Secret.** The 32 bytes, for the one place that hands them to WireGuard.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8; KEY_LEN] {
        self.0.bytes()
    }

    /// **Secret.** The 44 characters of base64. Wiped when dropped.
    #[must_use]
    pub fn expose_base64(&self) -> Zeroizing<String> {
        self.0.to_base64()
    }
}

impl PartialEq for PresharedKey {
    fn eq(&self, other: &PresharedKey) -> bool {
        self.0.bytes().ct_eq(other.0.bytes()).into()
    }
}

impl Eq for PresharedKey {}

impl ZeroizeOnDrop for PresharedKey {}

impl fmt::Debug for PresharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresharedKey(..)")
    }
}
