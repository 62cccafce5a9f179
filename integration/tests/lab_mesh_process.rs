//! The process behind the embedded WireGuard. As root.
use anyhow::Result;
use ringfence_integration::mesh_lab::cases::process;

#[test]
fn the_process_stands_alone_and_shows_its_key_to_root_only() -> Result<()> {
    process::stands_alone()
}

#[test]
fn the_process_outlives_the_agent_and_the_next_agent_takes_it_over_without_a_loss() -> Result<()> {
    process::outlives_the_executor()
}

#[test]
fn a_process_that_was_killed_or_robbed_is_started_anew() -> Result<()> {
    process::is_started_anew()
}

#[test]
fn a_port_that_somebody_else_has_stops_one_plane_only_and_only_as_long() -> Result<()> {
    process::port_in_use()
}
