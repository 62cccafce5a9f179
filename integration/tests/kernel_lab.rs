//! The whole lab over the kernel's own WireGuard: the cases of `lab_spoofing.rs` and `lab_reboot.rs`, in one lab, for making
//! one takes long in an emulated machine. Other cases take longer still: `cargo xtask test uml` runs them.
use anyhow::{Context, Result};
use ringfence_integration::lab::cases::{reboot, spoofing};
use ringfence_integration::lab::{Lab, manifest};
use std::time::Instant;

type Case = (&'static str, fn(&Lab) -> Result<()>);

#[test]
fn no_lie_is_believed_and_a_reboot_is_noticed_at_once() -> Result<()> {
    let began = Instant::now();
    let lab = Lab::up("kernel", &manifest("pairs.yaml")?, &[])?;
    eprintln!("up after {:.0} s", began.elapsed().as_secs_f32());
    let cases: [Case; 4] = [
        ("a pod as another pod", spoofing::pod_as_another_pod),
        ("a node as another node's pod", spoofing::node_as_another_nodes_pod),
        ("a plain packet as a pod", spoofing::plain_packet_as_a_pod),
        ("a reboot", reboot::heard_at_once),
    ];
    for (name, case) in cases {
        let began = Instant::now();
        case(&lab).context(name)?;
        eprintln!("{name}: {:.0} s", began.elapsed().as_secs_f32());
    }
    Ok(())
}
