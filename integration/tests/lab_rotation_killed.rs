//! An agent killed at each step of a rotation in turn. `RINGFENCE_WIREGUARD` chooses the WireGuard. Needs root.
use anyhow::Result;
use ringfence_integration::lab::cases::rotation;

#[test]
fn an_agent_killed_at_any_step_takes_up_where_it_was_first_half() -> Result<()> {
    rotation::killed::at_each_step(0)
}

#[test]
fn an_agent_killed_at_any_step_takes_up_where_it_was_second_half() -> Result<()> {
    rotation::killed::at_each_step(1)
}
