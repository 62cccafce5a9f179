//! The mesh of three nodes over the embedded WireGuard. As root; each test says how to get into its namespaces.
use anyhow::Result;
use ringfence::apply::mesh::BackendChoice::Userspace;
use ringfence_integration::mesh_lab::MeshLab;
use ringfence_integration::mesh_lab::cases::{change, heal, leak, reach, source};

fn lab() -> Result<MeshLab> {
    MeshLab::ready("rfm", Userspace)
}

#[test]
fn pods_reach_each_other_in_both_families_at_full_size_and_then_nothing_is_left_to_do() -> Result<()> {
    reach::everybody(&lab()?)
}

#[test]
fn pods_reach_other_nodes_and_nodes_reach_pods_there() -> Result<()> {
    reach::nodes_and_pods(&lab()?)
}

#[test]
fn a_peer_that_uses_anothers_addresses_is_refused_and_counted() -> Result<()> {
    reach::spoofed_peer(&lab()?)
}

#[test]
fn whatever_is_deleted_or_bent_is_mended_within_two_seconds() -> Result<()> {
    heal::everything(&lab()?)
}

#[test]
fn sysctls_that_were_changed_are_set_again() -> Result<()> {
    heal::sysctls(&lab()?)
}

#[test]
fn a_peer_that_was_removed_or_robbed_is_restored() -> Result<()> {
    heal::peers(&lab()?)
}

#[test]
fn nothing_but_wireguard_is_on_the_underlay_while_all_talk() -> Result<()> {
    leak::while_all_talk(&lab()?)
}

#[test]
fn nothing_leaves_in_the_clear_when_the_device_is_deleted() -> Result<()> {
    leak::without_device(&lab()?)
}

#[test]
fn nothing_leaves_in_the_clear_towards_a_node_that_is_not_known_yet() -> Result<()> {
    leak::towards_the_unknown(&lab()?)
}

#[test]
fn the_capture_sees_a_packet_in_the_clear() -> Result<()> {
    leak::capture_sees_plaintext(&lab()?)
}

#[test]
fn a_pod_keeps_its_address_on_the_mesh_and_a_node_has_its_node_address() -> Result<()> {
    source::direct(&lab()?)
}

#[test]
fn a_node_ports_backend_sees_the_real_pod_and_outsiders_as_the_nodes_gateway() -> Result<()> {
    source::node_ports(&lab()?)
}

#[test]
fn a_pod_is_masqueraded_out_of_the_cluster() -> Result<()> {
    source::outwards(&lab()?)
}

#[test]
fn no_packet_is_lost_while_peers_change() -> Result<()> {
    change::of_peers(&lab()?)
}

#[test]
fn no_connection_fails_while_the_nat_table_is_replaced() -> Result<()> {
    change::of_nat(&lab()?)
}

#[test]
fn no_packet_is_lost_and_no_connection_cut_when_traffic_changes_planes() -> Result<()> {
    change::of_plane(&mut lab()?)
}

#[test]
fn a_connection_that_is_masqueraded_onto_the_mesh_would_be_cut_by_that() -> Result<()> {
    change::of_plane_cuts_what_is_masqueraded(&mut lab()?)
}
