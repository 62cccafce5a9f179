//! P7: a key that was replaced is nowhere. `RINGFENCE_WIREGUARD` chooses the WireGuard. Needs root.
use anyhow::Result;
use ringfence_integration::lab::cases::rotation;

#[test]
fn the_old_private_key_is_nowhere_after_a_rotation() -> Result<()> {
    rotation::secrets::old_keys_are_gone()
}
