//! The mesh over the kernel's own WireGuard: the same cases as `lab_mesh.rs`, several to a lab, for making one takes long
//! in an emulated machine.
use anyhow::{Context, Result};
use ringfence::apply::mesh::BackendChoice::Kernel;
use ringfence_integration::mesh_lab::MeshLab;
use ringfence_integration::mesh_lab::cases::{change, heal, leak, reach, source};

fn lab() -> Result<MeshLab> {
    MeshLab::ready("rfk", Kernel)
}

#[test]
fn pods_and_nodes_reach_each_other_and_are_seen_as_who_they_are() -> Result<()> {
    let lab = lab()?;
    reach::everybody(&lab).context("everybody")?;
    reach::nodes_and_pods(&lab).context("nodes and pods")?;
    source::direct(&lab).context("direct")?;
    source::node_ports(&lab).context("node ports")?;
    source::outwards(&lab).context("outwards")?;
    reach::spoofed_peer(&lab).context("spoofed peer")
}

#[test]
fn whatever_is_deleted_or_bent_is_mended() -> Result<()> {
    let lab = lab()?;
    heal::peers(&lab).context("peers")?;
    heal::sysctls(&lab).context("sysctls")?;
    heal::everything(&lab).context("everything")
}

#[test]
fn nothing_but_wireguard_is_on_the_underlay() -> Result<()> {
    let lab = lab()?;
    leak::while_all_talk(&lab).context("while all talk")?;
    leak::without_device(&lab).context("without the device")?;
    leak::towards_the_unknown(&lab).context("towards the unknown")
}

#[test]
fn nothing_is_lost_while_peers_nat_and_planes_change() -> Result<()> {
    let mut lab = lab()?;
    change::of_peers(&lab).context("peers")?;
    change::of_nat(&lab).context("NAT")?;
    change::of_plane(&mut lab).context("planes")?;
    change::of_plane_cuts_what_is_masqueraded(&mut lab).context("masquerade")
}
