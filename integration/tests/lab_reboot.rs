//! A rebooted node is heard by its peers at once. The same on the kernel's own WireGuard in `kernel_lab.rs`.
use anyhow::Result;
use ringfence_integration::lab::cases::reboot;
use ringfence_integration::lab::{Lab, manifest};

#[test]
fn a_rebooted_node_is_heard_by_its_peers_within_two_seconds() -> Result<()> {
    reboot::heard_at_once(&Lab::up("reboot", &manifest("pairs.yaml")?, &[])?)
}
