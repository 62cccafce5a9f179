//! What a packet's mark (`skb->mark`) carries between our hooks on one node.
//!
//! Five bits at [`Mark::SHIFT_DEFAULT`] (configurable): three of *origin*, stamped where a packet enters the node and
//! overwritten there, and two that say which direction has been judged. What lacks a bit is judged again. One bit for
//! both would let a pod's packet to nodeIP:hostPort skip the ingress policy behind the DNAT.

/// Where a packet entered this node.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Not stamped: made by this node if it has no ingress interface either.
    None = 0,
    /// A local pod's veth.
    LocalPod = 1,
    /// A WireGuard peer.
    Peer = 2,
    /// Another device of the node.
    Outside = 3,
    /// A local pod's veth, of a pod that no policy isolates in either direction: later hooks need not look it up.
    FreePod = 4,
    /// As [`Origin::LocalPod`], on an answer to an address of this node. The kernel undoes NAT and knows whom it is for; if it
    /// has forgotten the connection, it takes the packet for a new one, perhaps to a NodePort. Then it still bears the pod's
    /// own address behind routing, which no answer does, and its judgement is void.
    PodToNode = 5,
    /// As [`Origin::FreePod`], on such an answer.
    FreePodToNode = 6,
}

impl Origin {
    /// Whether it is a local pod's.
    #[inline(always)]
    pub const fn is_pod(self) -> bool {
        matches!(self, Self::LocalPod | Self::FreePod | Self::PodToNode | Self::FreePodToNode)
    }

    /// Whether it is a local pod's that no policy isolates.
    #[inline(always)]
    pub const fn is_free(self) -> bool {
        matches!(self, Self::FreePod | Self::FreePodToNode)
    }

    /// Whether it was taken for an answer to an address of this node.
    #[inline(always)]
    pub const fn answers_node(self) -> bool {
        matches!(self, Self::PodToNode | Self::FreePodToNode)
    }
}

/// Our five bits, already shifted down to bit 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mark(pub u32);

impl Mark {
    /// Where the bits lie unless configured otherwise: `0x1f000000`. kube-proxy uses 0x4000 and 0x8000, portmap 0x2000.
    pub const SHIFT_DEFAULT: u32 = 24;
    /// The bits, before shifting.
    pub const BITS: u32 = 0x1f;
    /// The egress policy of the local source has been applied. Alone it was applied to an address outside the cluster,
    /// and counts only where the packet leaves on the underlay: what DNAT turned towards a pod or a node since is judged
    /// by where it goes.
    pub const EGRESS_JUDGED: u32 = 0x08;
    /// The ingress policy of the local destination has been applied.
    pub const INGRESS_JUDGED: u32 = 0x10;
    /// Both: replies and errors about known flows.
    pub const JUDGED: u32 = Self::EGRESS_JUDGED | Self::INGRESS_JUDGED;

    /// A fresh stamp: an origin and nothing judged.
    #[inline(always)]
    pub const fn entered(origin: Origin) -> Self {
        Self(origin as u32)
    }

    /// The bits of `skb_mark`.
    #[inline(always)]
    pub const fn read(skb_mark: u32, shift: u32) -> Self {
        Self((skb_mark >> shift) & Self::BITS)
    }

    /// `skb_mark` with our bits replaced by these; the others stay as they are.
    #[inline(always)]
    pub const fn write(self, skb_mark: u32, shift: u32) -> u32 {
        (skb_mark & !(Self::BITS << shift)) | (self.0 << shift)
    }

    /// Where the packet entered.
    #[inline(always)]
    pub const fn origin(self) -> Origin {
        match self.0 & 0x07 {
            1 => Origin::LocalPod,
            2 => Origin::Peer,
            3 => Origin::Outside,
            4 => Origin::FreePod,
            5 => Origin::PodToNode,
            6 => Origin::FreePodToNode,
            _ => Origin::None,
        }
    }

    /// Whether egress policy has been applied.
    #[inline(always)]
    pub const fn egress_judged(self) -> bool {
        self.0 & Self::EGRESS_JUDGED != 0
    }

    /// Whether ingress policy has been applied.
    #[inline(always)]
    pub const fn ingress_judged(self) -> bool {
        self.0 & Self::INGRESS_JUDGED != 0
    }

    /// The same with the given bits set.
    #[inline(always)]
    pub const fn with(self, bits: u32) -> Self {
        Self(self.0 | bits)
    }
}
