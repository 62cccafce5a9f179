//! Who is not trusted: revoked nodes, and publications that cannot be. `RINGFENCE_WIREGUARD` chooses the WireGuard. Needs root.
use anyhow::Result;
use ringfence_integration::lab::cases::rotation;

#[test]
fn a_revoked_node_is_cut_within_a_second_and_stays_so_until_it_is_admitted() -> Result<()> {
    rotation::revoked::cut_at_once()
}

#[test]
fn who_speaks_as_a_nodes_agent_without_its_key_is_not_believed_and_holds_nothing_up() -> Result<()> {
    rotation::forged::words()
}

#[test]
fn publications_that_cannot_be_are_named_and_cut_nobody() -> Result<()> {
    rotation::bad::publications()
}
