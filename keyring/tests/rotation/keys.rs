//! Public keys by node and number: the same for the same numbers, made once.

use std::sync::OnceLock;

use ringfence_keyring::{PrivateKey, PublicKey};

const EACH: usize = 64;

/// The `number`th key of the `node`th node.
pub fn key(node: usize, number: usize) -> PublicKey {
    static KEYS: OnceLock<Vec<PublicKey>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        let secret = |index: usize| {
            let mut bytes = [7; 32];
            bytes[1..9].copy_from_slice(&(index as u64).to_le_bytes());
            bytes
        };
        (0..8 * EACH).map(|index| PrivateKey::from_bytes(&secret(index)).unwrap().public()).collect()
    });
    keys[node * EACH + number]
}
