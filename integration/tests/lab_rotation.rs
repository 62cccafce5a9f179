//! P4: keys rotate, and no packet is lost. `RINGFENCE_WIREGUARD` chooses the WireGuard. Needs root.
use anyhow::Result;
use ringfence_integration::lab::cases::rotation;

#[test]
fn one_rotation_under_all_sorts_of_traffic_loses_nothing() -> Result<()> {
    rotation::of_all(1)
}

#[test]
fn nodes_that_have_ipv6_alone_rotate() -> Result<()> {
    rotation::of_ipv6_alone()
}

#[test]
fn one_nodes_keys_and_fresh_ones_are_rotated_without_loss() -> Result<()> {
    rotation::of_one_and_fresh()
}
