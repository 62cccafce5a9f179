//! Rotations asked for by hand and by the clock. `RINGFENCE_WIREGUARD` chooses the WireGuard. Needs root.
use anyhow::Result;
use ringfence_integration::lab::cases::rotation;

#[test]
fn force_waits_for_nobody_an_older_agents_keys_are_taken_over_and_a_damaged_log_is_named() -> Result<()> {
    rotation::commands::by_hand()
}

#[test]
fn by_schedule_exactly_one_agent_raises_the_epoch() -> Result<()> {
    rotation::commands::by_schedule()
}
