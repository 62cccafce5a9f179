//! Twenty rotations of all nodes in a row. `RINGFENCE_WIREGUARD` chooses the WireGuard. Needs root.
use anyhow::Result;
use ringfence_integration::lab::cases::rotation;

#[test]
fn twenty_rotations_of_all_nodes_lose_nothing() -> Result<()> {
    rotation::of_all(20)
}
