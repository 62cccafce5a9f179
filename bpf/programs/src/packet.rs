//! What the hooks know of a packet.
use aya_ebpf::maps::lpm_trie::Key;
use ringfence_abi::Addr;

/// IP protocol numbers (IANA).
pub(crate) mod protocol {
    pub(crate) const HOP_BY_HOP: u8 = 0;
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const ROUTING: u8 = 43;
    pub(crate) const FRAGMENT: u8 = 44;
    pub(crate) const AUTHENTICATION: u8 = 51;
    pub(crate) const ICMPV6: u8 = 58;
    pub(crate) const DESTINATION: u8 = 60;
    pub(crate) const SCTP: u8 = 132;
}

/// TCP flags (RFC 9293, section 3.1).
pub(crate) mod tcp {
    pub(crate) const FIN: u8 = 0x01;
    pub(crate) const SYN: u8 = 0x02;
    pub(crate) const RST: u8 = 0x04;
    pub(crate) const ACK: u8 = 0x10;
}

/// SCTP chunk types (RFC 9260, section 3.2) that open an association.
pub(crate) mod sctp {
    pub(crate) const INIT: u8 = 1;
    pub(crate) const INIT_ACK: u8 = 2;
    pub(crate) const ABORT: u8 = 6;
    pub(crate) const SHUTDOWN_COMPLETE: u8 = 14;
    pub(crate) const UNREAD: u8 = 0xff;
}

/// How much of the transport header is known.
pub(crate) mod shape {
    /// All that is judged by.
    pub(crate) const WHOLE: u8 = 0;
    /// The protocol, but not the ports: a later fragment whose first is not known.
    pub(crate) const LATER: u8 = 1;
    /// A later fragment, and what its extension headers hide is not known either.
    pub(crate) const LATER_HIDDEN: u8 = 2;
    /// Addresses only.
    pub(crate) const BROKEN: u8 = 3;
}

/// Stands for a port that is not known, but the protocol is.
pub(crate) const PORT_UNKNOWN: u32 = 0x1_0000;
/// Stands for a port that is not known, and neither is the protocol.
pub(crate) const ALL_UNKNOWN: u32 = 0x2_0000;

/// Position in a fragmented datagram.
pub(crate) mod fragment {
    pub(crate) const NONE: u8 = 0;
    pub(crate) const FIRST: u8 = 1;
    pub(crate) const LATER: u8 = 2;
}

/// One packet. Each address stands behind its length in bits, so that it can be a key of the prefix table in place.
#[repr(C)]
pub(crate) struct Packet {
    pub(crate) src: Located,
    pub(crate) dst: Located,
    /// Network byte order; ICMP echo: the identifier; other protocols: 0.
    pub(crate) src_port: u16,
    /// As `src_port`.
    pub(crate) dst_port: u16,
    pub(crate) protocol: u8,
    /// TCP flags, ICMP type or type of the first SCTP chunk.
    pub(crate) kind: u8,
    /// One of [`shape`].
    pub(crate) shape: u8,
    pub(crate) v6: u8,
    /// One of [`fragment`].
    pub(crate) fragment: u8,
    /// See `FragmentKey::protocol`.
    pub(crate) fragment_protocol: u8,
    pub(crate) hop_limit: u8,
    pub(crate) pad: u8,
    /// As it lies in the header.
    pub(crate) fragment_id: u32,
    /// Offset of the transport header.
    pub(crate) transport: u32,
}

/// An address as a key of the prefix table: 128 bits long.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Located {
    bits: u32,
    pub(crate) addr: Addr,
}

impl Located {
    pub(crate) const NONE: Self = Self { bits: 128, addr: Addr::NONE };

    #[inline(always)]
    pub(crate) fn at(addr: Addr) -> Self {
        Self { bits: 128, addr }
    }

    #[inline(always)]
    pub(crate) fn key(&self) -> &Key<Addr> {
        // SAFETY: both are a u32 and an address without padding, and `Key` asks for less alignment.
        unsafe { &*core::ptr::from_ref(self).cast() }
    }
}

impl Packet {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self {
            src: Located::NONE,
            dst: Located::NONE,
            src_port: 0,
            dst_port: 0,
            protocol: 0,
            kind: 0,
            shape: shape::WHOLE,
            v6: 0,
            fragment: fragment::NONE,
            fragment_protocol: 0,
            hop_limit: 0,
            pad: 0,
            fragment_id: 0,
            transport: 0,
        }
    }

    #[inline(always)]
    pub(crate) fn whole(&self) -> bool {
        self.shape == shape::WHOLE
    }

    /// The destination port as policy is asked for it.
    #[inline(always)]
    pub(crate) fn to_port(&self) -> u32 {
        self.known(self.dst_port)
    }

    /// The source port, which is the port a reply goes to.
    #[inline(always)]
    pub(crate) fn reply_port(&self) -> u32 {
        self.known(self.src_port)
    }

    #[inline(always)]
    fn known(&self, port: u16) -> u32 {
        match self.shape {
            shape::WHOLE => u32::from(port),
            shape::LATER => PORT_UNKNOWN,
            _ => ALL_UNKNOWN,
        }
    }

    /// Whether the ports look like a server's answer. Only the order of lookups may hang on it.
    #[inline(always)]
    pub(crate) fn looks_like_reply(&self) -> bool {
        u16::from_be(self.src_port) < u16::from_be(self.dst_port)
    }

    /// A TCP packet whose flags are known and of which `mask` selects `want`.
    #[inline(always)]
    pub(crate) fn tcp(&self, mask: u8, want: u8) -> bool {
        self.protocol == protocol::TCP && self.whole() && self.kind & mask == want
    }
}
