//! The whole lab over the kernel's own WireGuard: the cases of `lab_spoofing.rs` and `lab_reboot.rs`, in one lab, for making
//! one takes long in an emulated machine. Those of `lab_plaintext.rs` take longer still: `kernel_long_plaintext.rs`.
use anyhow::{Context, Result, ensure};
use ringfence::status::BackendStatus;
use ringfence_integration::lab::cases::{reboot, spoofing};
use ringfence_integration::lab::{Lab, manifest};
use std::time::Instant;

type Case = (&'static str, fn(&Lab) -> Result<()>);

#[test]
fn no_lie_is_believed_and_a_reboot_is_noticed_at_once() -> Result<()> {
    let began = Instant::now();
    let lab = Lab::up("kernel", &manifest("pairs.yaml")?, &[])?;
    for node in ["node1", "node2", "node3"] {
        let backend = lab.status(node)?.mesh.backend;
        ensure!(backend == BackendStatus::Kernel, "{node} encrypts by {backend:?}");
    }
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
