//! P2: a source address is believed only where it lives. The first three also on the kernel's own WireGuard, in `kernel_lab.rs`.
use anyhow::Result;
use ringfence_integration::lab::cases::spoofing;
use ringfence_integration::lab::{Lab, manifest};

fn lab() -> Result<Lab> {
    Lab::up("spoof", &manifest("pairs.yaml")?, &[])
}

#[test]
fn a_pod_that_uses_another_pods_address_is_dropped_and_counted() -> Result<()> {
    spoofing::pod_as_another_pod(&lab()?)
}

#[test]
fn a_node_that_sends_another_nodes_pod_address_through_its_tunnel_is_refused_and_counted() -> Result<()> {
    spoofing::node_as_another_nodes_pod(&lab()?)
}

#[test]
fn a_plain_packet_on_the_underlay_with_a_pods_source_is_dropped_and_counted() -> Result<()> {
    spoofing::plain_packet_as_a_pod(&lab()?)
}

#[test]
fn a_source_hidden_behind_vlan_tags_is_dropped_and_counted() -> Result<()> {
    spoofing::behind_vlan_tags(&lab()?)
}
