//! 32 secret bytes that leave no copies behind: what private and preshared keys have in common.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{KEY_BASE64_LEN, KEY_LEN, KeyError, RandomnessError};

/// On the heap, so that moving the owner moves a pointer and leaves no copy in the old place.
pub(super) struct SecretBytes(Box<[u8; KEY_LEN]>);

impl SecretBytes {
    pub(super) fn random() -> Result<SecretBytes, RandomnessError> {
        let mut bytes = SecretBytes(Box::new([0; KEY_LEN]));
        getrandom::fill(bytes.0.as_mut_slice()).map_err(|source| RandomnessError { source })?;
        Ok(bytes)
    }

    pub(super) fn copy_of(source: &[u8; KEY_LEN]) -> Result<SecretBytes, KeyError> {
        let mut bytes = SecretBytes(Box::new([0; KEY_LEN]));
        bytes.0.copy_from_slice(source);
        if bytes.is_zero() { Err(KeyError::AllZero) } else { Ok(bytes) }
    }

    pub(super) fn from_base64(text: &str) -> Result<SecretBytes, KeyError> {
        let decoded = decode(text)?;
        let exact: &[u8; KEY_LEN] =
            decoded.as_slice().try_into().map_err(|_| KeyError::WrongLength { found: decoded.len() })?;
        SecretBytes::copy_of(exact)
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8; KEY_LEN] {
        &mut self.0
    }

    pub(super) fn to_base64(&self) -> Zeroizing<String> {
        // Into a buffer of the right size: growing would leave the shorter one behind unwiped, and the
        // encoder's String functions go through a buffer on the stack.
        let mut text = Zeroizing::new("=".repeat(KEY_BASE64_LEN).into_bytes());
        let written = STANDARD.encode_slice(self.bytes(), text.as_mut_slice()).unwrap_or(0);
        debug_assert_eq!(written, KEY_BASE64_LEN);
        let text = std::mem::take(&mut *text);
        Zeroizing::new(String::from_utf8(text).unwrap_or_default())
    }

    fn is_zero(&self) -> bool {
        self.0.iter().fold(0, |all, byte| all | byte) == 0
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl ZeroizeOnDrop for SecretBytes {}

/// Decodes base64 of any length into a buffer that wipes itself.
pub(super) fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    if text.is_empty() {
        return Err(KeyError::Empty);
    }
    let mut decoded = Zeroizing::new(Vec::with_capacity(base64::decoded_len_estimate(text.len())));
    // The decoder's own error quotes a byte of its input; ours never does.
    STANDARD.decode_vec(text, &mut decoded).map_err(|_| KeyError::NotBase64)?;
    Ok(decoded)
}
