//! Keys and values of the tables that a decision reads. Identifiers are never used again while an agent runs.
use crate::Addr;

/// What an address is, seen from this node.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressKind {
    /// Neither a pod nor a node of the mesh.
    External = 0,
    /// A pod of this node; `owner` is its veth's ifindex, 0 while it has none (then it is dropped everywhere).
    LocalPod = 1,
    /// A pod of another node; `owner` is that node's number.
    RemotePod = 2,
    /// Any address that is local on this node, the gateways of its pod CIDRs included.
    ThisNode = 3,
    /// An address of another node of the mesh; `owner` is its number.
    RemoteNode = 4,
    /// The gateway of another node's pod CIDR: the source of what that node masquerades onto the mesh.
    RemoteTransit = 5,
    /// In prefixes only: a pod CIDR of this node. An address in it that has no entry of its own is dropped.
    LocalPodRange = 6,
    /// In prefixes only: pod CIDRs of others (or of nodes not known yet). A pod whose labels are not known yet.
    RemotePodRange = 7,
}

/// Value of `RF_ADDRESSES` (hash of [`Addr`]).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AddressValue {
    /// Peer class; 0 is none and matches nothing.
    pub class: u32,
    /// Ifindex of a local pod's veth, else the owning node's number, else 0.
    pub owner: u32,
    /// An [`AddressKind`].
    pub kind: u8,
    /// Zero.
    pub pad: [u8; 3],
}

/// Value of `RF_PREFIXES` (LPM trie; key data is an [`Addr`], IPv4 prefixes are 96 bits longer).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PrefixValue {
    /// Peer class of the addresses that have no entry of their own.
    pub class: u32,
    /// An [`AddressKind`]: `External`, `LocalPodRange` or `RemotePodRange`.
    pub kind: u8,
    /// Zero.
    pub pad: [u8; 3],
}

/// Value of `RF_ENDPOINTS` (hash of the host-side veth's ifindex, `u32` in host order): one local pod.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EndpointValue {
    /// Number of this pod sandbox on this node; never used again. Flows remember it.
    pub id: u32,
    /// Profile of its ingress policies; 0: not isolated.
    pub ingress_profile: u32,
    /// Profile of its egress policies; 0: not isolated.
    pub egress_profile: u32,
    /// Peer class of its IPv4 address.
    pub class_v4: u32,
    /// Peer class of its IPv6 address.
    pub class_v6: u32,
    /// [`EndpointValue::DENY_ALL`].
    pub flags: u32,
    /// Its IPv4 address, mapped, or [`Addr::NONE`].
    pub v4: Addr,
    /// Its IPv6 address, or [`Addr::NONE`].
    pub v6: Addr,
}

impl EndpointValue {
    /// Nothing passes in either direction, neighbour discovery excepted: policy not known yet, or the pod is going.
    pub const DENY_ALL: u32 = 1;
}

/// Value of `RF_NEAR` (array; the index is the last bits of the veth's ifindex): a copy of an entry of `RF_ENDPOINTS` that
/// is found without hashing. Not every endpoint has one, for two may claim the same place; one that has is read here only.
///
/// The kernel copies a value in word by word, so no place is written that a program may be reading: before its endpoint
/// changes, a place is given up by writing 0 over `ifindex` and nothing else; only after a grace period is it taken again,
/// first all but the ifindex, then that. Until then the endpoint is found in `RF_ENDPOINTS`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NearEndpoint {
    /// Zero. The kernel begins an array's elements 8 bytes before a cache line (6.18: offset 312), so what follows is one.
    pub lead: [u32; 2],
    /// Whose it is; 0: nobody's.
    pub ifindex: u32,
    /// Zero.
    pub pad: u32,
    /// The endpoint.
    pub value: EndpointValue,
    /// Zero.
    pub rest: [u32; 14],
}

impl NearEndpoint {
    /// Entries of `RF_NEAR`.
    pub const LEN: u32 = 8192;

    /// The place of a veth.
    #[inline(always)]
    pub const fn place(ifindex: u32) -> u32 {
        ifindex & (Self::LEN - 1)
    }
}

/// Key of `RF_SERVICES` (hash). With `port` and `protocol` 0 it says only that the address is a ClusterIP.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ServiceKey {
    /// ClusterIP, external IP, load balancer IP or node address.
    pub addr: Addr,
    /// The Service's own port or node port, network byte order.
    pub port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// Zero.
    pub pad: u8,
}

/// Value of `RF_SERVICES`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ServiceValue {
    /// 0: every backend is judged at a later hook of this node. Else a class of its own, for which the policy table
    /// holds "all ports" exactly where a profile allows every backend that no later hook judges.
    pub class: u32,
}

/// Key of `RF_POLICY` (hash).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct PolicyKey {
    /// Ingress or egress profile of a local pod.
    pub profile: u32,
    /// Class of the other end.
    pub class: u32,
}

/// Value of `RF_POLICY`: which destination ports of each protocol may be reached. Absent: none.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PolicyValue {
    /// [`PolicyValue::NONE`], [`PolicyValue::ALL`] or an index into `RF_PORTS`.
    pub tcp: u32,
    /// As `tcp`.
    pub udp: u32,
    /// As `tcp`.
    pub sctp: u32,
    /// Every other protocol, ICMP included: [`PolicyValue::NONE`] or [`PolicyValue::ALL`].
    pub other: u32,
}

impl PolicyValue {
    /// No port.
    pub const NONE: u32 = 0;
    /// Every port.
    pub const ALL: u32 = 1;
    /// The first index of `RF_PORTS` in use.
    pub const FIRST_BITMAP: u32 = 2;
}

/// Value of `RF_PORTS` (array): bit `p % 64` of word `p / 64` says whether port `p` (host order) is in the set.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortBitmap {
    /// 65,536 bits.
    pub words: [u64; 1024],
}
