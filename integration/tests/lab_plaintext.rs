//! P1 by capture. `RINGFENCE_WIREGUARD` chooses the WireGuard. Needs root.
use anyhow::Result;
use ringfence_integration::lab::cases::{bypass, plaintext};
use ringfence_integration::lab::{Lab, manifest};

#[test]
fn nothing_leaves_in_the_clear_through_kills_upgrades_lost_devices_and_reboots() -> Result<()> {
    plaintext::through_all_events(&Lab::up("plain", &manifest("pairs.yaml")?, &[])?)
}

#[test]
fn nothing_leaves_by_a_new_device_with_more_direct_routes_while_the_agent_is_dead() -> Result<()> {
    bypass::by_a_new_device(&Lab::up("bypass", &manifest("pairs.yaml")?, &[])?)
}
