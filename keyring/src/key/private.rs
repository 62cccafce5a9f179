//! A node's private key.

use std::fmt;

use x25519_dalek::{SharedSecret, StaticSecret};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::secret::SecretBytes;
use super::{KEY_LEN, KeyError, PublicKey, RandomnessError};

/// A Curve25519 private key: 32 bytes, clamped as RFC 7748 §5 says (and as `wg genkey` does).
///
/// Wiped when dropped. There is no `Clone`, `PartialEq`, `Display` or serde for it, and `Debug` prints no
/// part of it. Two private keys are equal when their [public keys](PrivateKey::public) are.
pub struct PrivateKey {
    secret: SecretBytes,
    // Derived once: each derivation hands the secret to code that copies it about.
    public: PublicKey,
}

impl PrivateKey {
    /// A new key from the operating system's randomness, which blocks until the kernel's pool is seeded
    /// (getrandom(2) without flags), so that keys made at first boot are good.
    ///
    /// # Errors
    /// [`RandomnessError`] when the system call fails.
    pub fn generate() -> Result<PrivateKey, RandomnessError> {
        loop {
            // A clamped scalar never makes a low-order public key; should that not hold, try again.
            if let Ok(key) = PrivateKey::clamped(SecretBytes::random()?) {
                return Ok(key);
            }
        }
    }

    /// The key in 32 bytes, which are clamped. The caller wipes its own copy.
    ///
    /// # Errors
    /// [`KeyError::AllZero`]: WireGuard reads that as "no key".
    pub fn from_bytes(bytes: &[u8; KEY_LEN]) -> Result<PrivateKey, KeyError> {
        PrivateKey::clamped(SecretBytes::copy_of(bytes)?)
    }

    /// The key in 44 characters of base64, clamped. The caller wipes its own copy of the text.
    ///
    /// # Errors
    /// [`KeyError`]; it never contains any of the text.
    pub fn from_base64(text: &str) -> Result<PrivateKey, KeyError> {
        PrivateKey::clamped(SecretBytes::from_base64(text)?)
    }

    /// The public key that belongs to it: X25519(key, 9), RFC 7748 §6.1.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// **Secret.** The 32 bytes, for the one place that hands them to WireGuard. Whoever copies them wipes
    /// the copy.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8; KEY_LEN] {
        self.secret.bytes()
    }

    /// **Secret.** The 44 characters of base64, for the store on disk. Wiped when dropped.
    #[must_use]
    pub fn expose_base64(&self) -> Zeroizing<String> {
        self.secret.to_base64()
    }

    /// X25519 with another node's public key (RFC 7748 §6.1). It is not all zero, for no public key is of small order.
    pub(crate) fn agree(&self, theirs: PublicKey) -> SharedSecret {
        let scalar = StaticSecret::from(*self.secret.bytes());
        scalar.diffie_hellman(&x25519_dalek::PublicKey::from(*theirs.as_bytes()))
    }

    fn clamped(mut secret: SecretBytes) -> Result<PrivateKey, KeyError> {
        let bytes = secret.bytes_mut();
        bytes[0] &= 0b1111_1000;
        bytes[31] &= 0b0111_1111;
        bytes[31] |= 0b0100_0000;
        // This copy wipes itself; that the arithmetic leaves none behind is for tests/memory.rs to watch.
        let scalar = StaticSecret::from(*secret.bytes());
        let public = x25519_dalek::PublicKey::from(&scalar).to_bytes();
        Ok(PrivateKey { public: PublicKey::from_bytes(public)?, secret })
    }
}

impl ZeroizeOnDrop for PrivateKey {}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}
