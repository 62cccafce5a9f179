//! Names of maps and programs in the object file and under the pin directory.

/// `Addr -> AddressValue`, hash.
pub const ADDRESSES: &str = "RF_ADDRESSES";
/// `Addr` prefix `-> PrefixValue`, LPM trie.
pub const PREFIXES: &str = "RF_PREFIXES";
/// ifindex `-> EndpointValue`, hash.
pub const ENDPOINTS: &str = "RF_ENDPOINTS";
/// last bits of an ifindex `-> NearEndpoint`, array of [`crate::NearEndpoint::LEN`].
pub const NEAR: &str = "RF_NEAR";
/// `ServiceKey -> ServiceValue`, hash.
pub const SERVICES: &str = "RF_SERVICES";
/// `PolicyKey -> PolicyValue`, hash.
pub const POLICY: &str = "RF_POLICY";
/// index `-> PortBitmap`, array.
pub const PORTS: &str = "RF_PORTS";
/// `FlowKey -> FlowValue`, LRU hash.
pub const FLOWS: &str = "RF_FLOWS";
/// `FragmentKey -> FragmentValue`, LRU hash.
pub const FRAGMENTS: &str = "RF_FRAGMENTS";
/// ifindex `-> PortRoles`, hash. Programs make an entry at a pod's first connection; the agent only removes it, with the
/// endpoint. As many entries as endpoints; a pod without one has lost TCP connections not taken up again.
pub const ROLES: &str = "RF_ROLES";
/// sixteen bits `-> Hint`, array of [`crate::Hint::LEN`]; only programs use it. It must live as long as the flows do.
pub const HINTS: &str = "RF_HINTS";
/// CPU and hash `-> Recent`, array of [`crate::Recent::EACH`] times the CPUs there may be; only programs use it.
pub const RECENT: &str = "RF_RECENT";
/// `Reason` or `Counter` as index `-> u64` packets, per-CPU array.
pub const COUNTERS: &str = "RF_COUNTERS";
/// 0 `-> Config`, array.
pub const CONFIG: &str = "RF_CONFIG";

/// Every table, in no order.
pub const MAPS: [&str; 14] = [
    ADDRESSES, PREFIXES, ENDPOINTS, NEAR, SERVICES, POLICY, PORTS, FLOWS, FRAGMENTS, ROLES, HINTS, RECENT,
    COUNTERS, CONFIG,
];

/// Host side of a veth, tc ingress.
pub const POD_EGRESS: &str = "pod_egress";
/// Host side of a veth, tc egress.
pub const POD_INGRESS: &str = "pod_ingress";
/// WireGuard devices, tc ingress.
pub const WG_INGRESS: &str = "wg_ingress";
/// WireGuard devices, tc egress.
pub const WG_EGRESS: &str = "wg_egress";
/// The node's other devices, tc ingress.
pub const UNDERLAY_INGRESS: &str = "underlay_ingress";
/// The node's other devices, tc egress.
pub const UNDERLAY_EGRESS: &str = "underlay_egress";

/// Every program.
pub const PROGRAMS: [&str; 6] =
    [POD_EGRESS, POD_INGRESS, WG_INGRESS, WG_EGRESS, UNDERLAY_INGRESS, UNDERLAY_EGRESS];

/// Read-only global (`u32`): how far the mark's bits are shifted; see [`crate::Mark`].
pub const GLOBAL_MARK_SHIFT: &str = "MARK_SHIFT";
/// Read-only global (`u32`): bytes of link header on WireGuard devices: 0, but 14 under BPF_PROG_TEST_RUN, which always
/// builds an Ethernet frame.
pub const GLOBAL_WG_LINK_HEADER: &str = "WG_LINK_HEADER";
