//! ICMP errors that this node sends about packets to pods. One that came off the mesh may have come from another node's own
//! address (host network, NodePort): the error goes back to that address, in the clear, and quotes what was encrypted.
use ipnetwork::IpNetwork;

/// An expression that matches ICMP errors about packets to `network`, whoever is told. Behind the header of an error (8
/// bytes) comes that of the packet it is about (RFC 792, RFC 4443), whose destination is at byte 16 or 24.
pub(super) fn about(network: IpNetwork) -> String {
    let (kinds, at, length, mask, value) = match network {
        IpNetwork::V4(net) => {
            let kinds = "icmp type { destination-unreachable, source-quench, redirect, time-exceeded, parameter-problem }";
            (kinds, (8 + 16) * 8, 32, u128::from(u32::from(net.mask())), u128::from(u32::from(net.network())))
        }
        IpNetwork::V6(net) => {
            let kinds =
                "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem }";
            (kinds, (8 + 24) * 8, 128, u128::from(net.mask()), u128::from(net.network()))
        }
    };
    format!("{kinds} @th,{at},{length} & {mask:#x} == {value:#x}")
}
