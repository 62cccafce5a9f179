//! P5: what policy no longer allows is cut. `RINGFENCE_WIREGUARD` chooses the WireGuard. Needs root.
use anyhow::Result;
use ringfence_integration::lab::cases::revocation;

#[test]
fn every_kind_of_connection_is_cut_within_a_second_by_an_edit_at_either_end_and_others_lose_nothing()
-> Result<()> {
    revocation::by_edits()
}
