//! P1 over the kernel's own WireGuard: the cases of `lab_plaintext.rs`. Many minutes in an emulated machine, so only
//! `cargo xtask test kernel --long` runs it.
use anyhow::{Result, ensure};
use ringfence::status::BackendStatus;
use ringfence_integration::lab::cases::plaintext;
use ringfence_integration::lab::{Lab, manifest};

#[test]
fn nothing_leaves_in_the_clear_through_kills_upgrades_lost_devices_and_reboots() -> Result<()> {
    let lab = Lab::up("kernel", &manifest("pairs.yaml")?, &[])?;
    let backend = lab.status("node1")?.mesh.backend;
    ensure!(backend == BackendStatus::Kernel, "node1 encrypts by {backend:?}");
    plaintext::through_all_events(&lab)
}
