//! The mesh of three nodes over the kernel's own WireGuard: the cases that say most, for emulation is slow.
use anyhow::Result;
use ringfence::apply::mesh::BackendChoice::Kernel;
use ringfence_integration::mesh_lab::cases::reach;

#[test]
fn pods_reach_each_other_in_both_families_at_full_size_and_then_nothing_is_left_to_do() -> Result<()> {
    reach::everybody(Kernel)
}

#[test]
fn a_peer_that_uses_anothers_addresses_is_refused_and_counted() -> Result<()> {
    reach::spoofed_peer(Kernel)
}
