//! Keys and values of the tables that programs write.
use crate::Addr;

/// Key of `RF_FLOWS`: the 5-tuple with its ends in canonical order (the lower address first; equal addresses: the lower
/// port), as a packet shows it at the hook. ICMP echo has its identifier in both ports; other protocols 0.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct FlowKey {
    /// The lower end.
    pub lo: Addr,
    /// The higher end.
    pub hi: Addr,
    /// Network byte order.
    pub lo_port: u16,
    /// Network byte order.
    pub hi_port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// Zero.
    pub pad: [u8; 3],
}

/// Value of `RF_FLOWS`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FlowValue {
    /// `bpf_ktime_get_ns` of the last packet, to about a second.
    pub last_seen: u64,
    /// The policy generation under which the flow last proved itself.
    pub generation: u32,
    /// [`crate::EndpointValue::id`] of the opener if it is a local pod, else 0.
    pub opener_endpoint: u32,
    /// Ifindex of the opener's veth if it is a local pod, else 0.
    pub opener_ifindex: u32,
    /// Endpoint id of the other end if it is a local pod, else 0.
    pub target_endpoint: u32,
    /// Ifindex of the other end's veth if it is a local pod, else 0.
    pub target_ifindex: u32,
    /// Peer class by which the opener was judged.
    pub opener_class: u32,
    /// A [`crate::Origin`].
    pub origin: u8,
    /// 1 if the lower end opened it.
    pub opener_is_lo: u8,
    /// [`FlowValue::CONFIRMED`] once a reply has been seen (conntrack's longer timeout), TCP's closing states.
    pub state: u8,
    /// Zero.
    pub pad: [u8; 5],
}

impl FlowValue {
    /// A reply has been seen.
    pub const CONFIRMED: u8 = 1;
    /// A FIN or RST has been seen.
    pub const CLOSING: u8 = 2;
}

/// Key of `RF_FRAGMENTS`: one of the places that a source has, so that whoever sends fragments without end overwrites his own.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct FragmentKey {
    /// Source; [`Addr::NONE`] for all that comes off the underlay, where anybody may claim any.
    pub src: Addr,
    /// Which place, by hash of what the value names: below [`FragmentKey::PLACES`], or [`FragmentKey::PLACES_OUTSIDE`].
    pub place: u32,
    /// Which kind of hook saw it: an address pair may be rewritten between two.
    pub hook: u8,
    /// Zero.
    pub pad: [u8; 3],
}

impl FragmentKey {
    /// Datagrams of one source that a hook remembers at a time.
    pub const PLACES: u32 = 64;
    /// And of all sources off the underlay together.
    pub const PLACES_OUTSIDE: u32 = 1024;
}

/// Value of `RF_FRAGMENTS`: which datagram it is, and the ports of its first fragment.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FragmentValue {
    /// `bpf_ktime_get_ns` when the first fragment passed. Older than 30 s (the kernel's ipfrag_time) is a miss.
    pub seen: u64,
    /// Source.
    pub src: Addr,
    /// Destination.
    pub dst: Addr,
    /// Identification as it lies in the header (IPv4: the upper half is zero).
    pub id: u32,
    /// Network byte order.
    pub src_port: u16,
    /// Network byte order.
    pub dst_port: u16,
    /// TCP flags, ICMP type or first SCTP chunk type of the first fragment.
    pub kind: u8,
    /// The protocol behind all extension headers.
    pub protocol: u8,
    /// IPv4: protocol; IPv6: next header of the fragment header (RFC 8200, section 4.5: equal in all fragments only by
    /// custom, so one that differs is unknown).
    pub fragment_protocol: u8,
    /// Zero.
    pub pad: [u8; 5],
}

/// Value of `RF_ROLES`: in which role a local pod has used its TCP and SCTP ports since it was made. Bit `p % 64` of word
/// `p / 64` stands for port `p` (host order). This tells who opened a connection that is met in mid-stream.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortRoles {
    /// The pod sent a SYN (SCTP: INIT) from this port.
    pub opened: [u64; 1024],
    /// The pod sent a SYN with ACK (SCTP: INIT ACK) from this port.
    pub accepted: [u64; 1024],
}

/// Value of `RF_HINTS`: what programs tell themselves to save lookups. Anything may stand here, for nothing is decided by
/// it: the first field is checked against the endpoint it names, the second only saves looking for what is not there.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hint {
    /// Ifindex of the local pod whose address ends in the two bytes that are the index (network byte order), or 0.
    pub local: u32,
    /// Not 0: a pod whose ifindex ends in the sixteen bits that are the index may have something to reply to.
    pub replies: u32,
    /// A pod's port to which flows lead: the ifindex (its last sixteen bits) above, the port below. The index is one half
    /// by exclusive or with the other.
    pub served: u32,
    /// Zero.
    pub pad: u32,
}

impl Hint {
    /// Entries of `RF_HINTS`.
    pub const LEN: u32 = 65_536;
}

/// Element of `RF_RECENT` (array): two flows between local pods that were just found on one CPU. They spare looking for the
/// flow for a second or so.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Recent {
    /// Zero; see [`crate::NearEndpoint::lead`].
    pub lead: [u32; 2],
    /// Either may be looked for.
    pub ways: [RecentFlow; 2],
    /// Zero.
    pub rest: [u32; 2],
}

/// A flow that was just found, as its packets in one direction show it at one hook.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RecentFlow {
    /// `bpf_jiffies64` when the flow was found, its lower half; worth nothing [`Recent::LIFE`] later.
    pub found: u32,
    /// The policy generation under which it was found.
    pub generation: u32,
    /// [`crate::EndpointValue::id`] of the pod that sends; 0: nothing is here.
    pub sender: u32,
    /// And of the one that receives.
    pub receiver: u32,
    /// Source port in the lower half, destination port in the upper, as they lie in the header.
    pub ports: u32,
    /// IP protocol number, [`Recent::V6`], [`Recent::REPLY`].
    pub what: u32,
}

impl Recent {
    /// Elements for each CPU that the machine may have; a CPU uses its own only, by its number.
    pub const EACH: u32 = 2048;
    /// Jiffies: 0.25 s to 2.5 s, by the kernel's `CONFIG_HZ`.
    pub const LIFE: u32 = 250;
    /// In `what`: between the pods' IPv6 addresses.
    pub const V6: u32 = 0x100;
    /// In `what`: met where it enters the node, and a reply.
    pub const REPLY: u32 = 0x200;
}

impl PortRoles {
    /// Of a new pod.
    pub const NEW: Self = Self { opened: [0; 1024], accepted: [0; 1024] };
}
