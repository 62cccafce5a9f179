//! The three kinds of 32-byte keys WireGuard knows, as types that cannot be taken for one another.
//!
//! Text form everywhere: standard base64 with padding, 44 characters, as `wg(8)` prints and reads it. Byte
//! order: the octet strings of RFC 7748 §5 (little-endian u-coordinates and scalars).

mod preshared;
mod private;
mod public;
mod secret;
#[cfg(test)]
mod tests;

pub use preshared::PresharedKey;
pub use private::PrivateKey;
pub use public::PublicKey;

/// Bytes in a key of any kind.
pub const KEY_LEN: usize = 32;

/// Characters in the base64 form of a key of any kind.
pub const KEY_BASE64_LEN: usize = 44;

/// Why a text or 32 bytes are not a key. Never contains any part of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing was given.
    #[error("the key is empty")]
    Empty,
    /// Characters outside the alphabet, missing padding, or bits after the last byte.
    #[error("the key is not base64 (43 characters of A-Z a-z 0-9 + / and one =)")]
    NotBase64,
    /// Base64, but not of 32 bytes.
    #[error("the key is {found} bytes long instead of 32")]
    WrongLength {
        /// Bytes after decoding.
        found: usize,
    },
    /// WireGuard reads 32 zero bytes as "no key".
    #[error("the key is all zero, which WireGuard reads as no key")]
    AllZero,
    /// A public key of small order: every shared secret made with it is zero (RFC 7748 §6.1).
    #[error("the public key is a point of low order, with which every secret would be zero")]
    LowOrder,
    /// A public key whose number is not reduced modulo 2^255 - 19, or whose top bit is set: a second spelling
    /// of another key, which no honest node produces.
    #[error("the public key is not in canonical form (another spelling of some other key)")]
    NonCanonical,
}

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the operating system gave no randomness for a new key: {source}")]
pub struct RandomnessError {
    /// What getrandom(2) said.
    pub source: getrandom::Error,
}
