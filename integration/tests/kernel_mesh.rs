//! The mesh of three nodes over the kernel's own WireGuard.
use anyhow::Result;
use ringfence::apply::mesh::BackendChoice::Kernel;
use ringfence_integration::mesh_lab::cases::{change, heal, leak, reach, source};

#[test]
fn pods_reach_each_other_in_both_families_at_full_size_and_then_nothing_is_left_to_do() -> Result<()> {
    reach::everybody(Kernel)
}

#[test]
fn pods_reach_other_nodes_and_nodes_reach_pods_there() -> Result<()> {
    reach::nodes_and_pods(Kernel)
}

#[test]
fn a_peer_that_uses_anothers_addresses_is_refused_and_counted() -> Result<()> {
    reach::spoofed_peer(Kernel)
}

#[test]
fn whatever_is_deleted_or_bent_is_mended_within_two_seconds() -> Result<()> {
    heal::everything(Kernel)
}

#[test]
fn sysctls_that_were_changed_are_set_again() -> Result<()> {
    heal::sysctls(Kernel)
}

#[test]
fn a_peer_that_was_removed_or_robbed_is_restored() -> Result<()> {
    heal::peers(Kernel)
}

#[test]
fn nothing_but_wireguard_is_on_the_underlay_while_all_talk() -> Result<()> {
    leak::while_all_talk(Kernel)
}

#[test]
fn nothing_leaves_in_the_clear_when_the_device_is_deleted() -> Result<()> {
    leak::without_device(Kernel)
}

#[test]
fn nothing_leaves_in_the_clear_towards_a_node_that_is_not_known_yet() -> Result<()> {
    leak::towards_the_unknown(Kernel)
}

#[test]
fn the_capture_sees_a_packet_in_the_clear() -> Result<()> {
    leak::capture_sees_plaintext(Kernel)
}

#[test]
fn a_pod_keeps_its_address_on_the_mesh_and_a_node_has_its_node_address() -> Result<()> {
    source::direct(Kernel)
}

#[test]
fn a_node_ports_backend_sees_the_real_pod_and_outsiders_as_the_nodes_gateway() -> Result<()> {
    source::node_ports(Kernel)
}

#[test]
fn a_pod_is_masqueraded_out_of_the_cluster() -> Result<()> {
    source::outwards(Kernel)
}

#[test]
fn no_packet_is_lost_while_peers_change() -> Result<()> {
    change::of_peers(Kernel)
}

#[test]
fn no_connection_fails_while_the_nat_table_is_replaced() -> Result<()> {
    change::of_nat(Kernel)
}

#[test]
fn no_packet_is_lost_and_no_connection_cut_when_traffic_changes_planes() -> Result<()> {
    change::of_plane(Kernel)
}

#[test]
fn a_connection_that_is_masqueraded_onto_the_mesh_would_be_cut_by_that() -> Result<()> {
    change::of_plane_cuts_what_is_masqueraded(Kernel)
}
