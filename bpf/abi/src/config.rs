//! The one value of `RF_CONFIG` (array of one), rewritten as a whole by the agent.

/// What every program reads first.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Config {
    /// Policy generation: raised after every change, so that every established flow proves itself again.
    pub generation: u32,
    /// Class of what this node masqueraded on behalf of others: matched only by peers that match every source.
    pub transit_class_v4: u32,
    /// The same for IPv6.
    pub transit_class_v6: u32,
    /// [`Config::ANY_ISOLATED`].
    pub flags: u32,
    /// UDP ports of this node's WireGuard devices, network byte order.
    pub wireguard_ports: [u16; 2],
    /// `CLOCK_MONOTONIC` in seconds when policy last changed what a connection may do; 0: never. For [`Config::SETTLE`]
    /// seconds a datagram that looks like a server's answer opens no flow: it may answer what was just forbidden.
    pub changed: u32,
}

impl Config {
    /// See [`Config::changed`].
    pub const SETTLE: u32 = 2;

    /// At least one local pod is isolated in some direction: only then can a reply need the flow table.
    pub const ANY_ISOLATED: u32 = 1;
}

/// Seconds after which an idle flow is a miss, by protocol, as `nf_conntrack` has them by default
/// (`net/netfilter/nf_conntrack_proto_*.c`).
pub mod timeout {
    /// Established TCP: five days.
    pub const TCP: u64 = 432_000;
    /// TCP before the reply.
    pub const TCP_UNREPLIED: u64 = 300;
    /// TCP after FIN or RST.
    pub const TCP_CLOSING: u64 = 120;
    /// UDP before the reply.
    pub const UDP_UNREPLIED: u64 = 30;
    /// UDP after it.
    pub const UDP: u64 = 120;
    /// SCTP before the reply.
    pub const SCTP_UNREPLIED: u64 = 30;
    /// Established SCTP.
    pub const SCTP: u64 = 210;
    /// ICMP and ICMPv6.
    pub const ICMP: u64 = 30;
    /// All else (`nf_conntrack_generic_timeout`).
    pub const OTHER: u64 = 600;
}
