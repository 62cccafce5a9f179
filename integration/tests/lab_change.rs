//! P4: nothing that is allowed before and after is lost by a change. `RINGFENCE_WIREGUARD` chooses the WireGuard. Needs root.
use anyhow::Result;
use ringfence_integration::lab::cases::change;

#[test]
fn agents_that_stop_are_killed_and_are_upgraded_lose_no_packet() -> Result<()> {
    change::of_agents()
}

#[test]
fn edits_of_policies_lose_nothing_that_is_allowed_before_and_after() -> Result<()> {
    change::of_policies()
}

#[test]
fn a_policy_that_begins_to_isolate_either_end_loses_nothing_that_it_allows() -> Result<()> {
    change::of_isolation()
}
