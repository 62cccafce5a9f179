//! Why packets are dropped, and what else is counted. Indices into `RF_COUNTERS`; never renumbered, only added to.

macro_rules! indexed {
    ($(#[$meta:meta])* $name:ident, $first:literal, $($(#[$vmeta:meta])* $variant:ident = $value:literal, $text:literal;)+) => {
        $(#[$meta])*
        #[repr(u32)]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name { $($(#[$vmeta])* $variant = $value,)+ }

        impl $name {
            /// All of them with their stable names.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$variant, $text),)+];

            /// The stable name, as metrics and `status` show it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

indexed! {
    /// Why a packet was dropped.
    Reason, 0,
    /// Not parseable, and a pod is isolated in that direction (or its source cannot be read: VLAN tags may hide it).
    Malformed = 0, "malformed";
    /// A pod sent from an address that is not its own.
    SpoofedPod = 1, "spoofed-pod";
    /// A packet off the underlay bears the source of a pod, a gateway, or (to a pod) of a node.
    SpoofedUnderlay = 2, "spoofed-underlay";
    /// A peer sent a source that only this node owns, or one that is no mesh address.
    SpoofedPeer = 3, "spoofed-peer";
    /// Off the mesh, but for no address of this node.
    NotLocal = 4, "not-local";
    /// An address of a local pod CIDR that has no endpoint.
    NoEndpoint = 5, "no-endpoint";
    /// The endpoint's policy is not known yet, or the pod is going.
    EndpointDenied = 6, "endpoint-denied";
    /// Egress policy.
    PolicyEgress = 7, "policy-egress";
    /// Ingress policy.
    PolicyIngress = 8, "policy-ingress";
    /// A later fragment whose first is not known, to or from an isolated pod.
    FragmentUnknown = 9, "fragment-unknown";
    /// Router advertisement or redirect from a pod.
    RouterMessage = 10, "router-message";
    /// A packet that would have left in the clear: the auditor's evidence, 0 unless routing failed.
    Plaintext = 11, "plaintext";
    /// A packet that still bears a Service's address where it leaves the node.
    ServiceAddress = 12, "service-address";
    /// An isolated pod's packet that no hook had judged where it leaves the node.
    Unjudged = 13, "unjudged";
    /// A packet of a local pod whose pod cannot be told any more.
    OriginLost = 14, "origin-lost";
    /// A source off a pod that is neither its own nor link-local neighbour discovery: `::`, link-local.
    LinkLocal = 15, "link-local";
    /// A table that must hold an entry does not: configuration missing.
    NotConfigured = 16, "not-configured";
    /// A pod sent to a loopback address, which is never on a link (RFC 1122, section 3.2.1.3; RFC 4291, section 2.5.3).
    Loopback = 17, "loopback";
}

indexed! {
    /// What else is counted, packets unless named otherwise.
    Counter, 32,
    /// Entries put into the flow table.
    FlowInserted = 32, "flow-inserted";
    /// Flow entries that could not be put in.
    FlowInsertFailed = 33, "flow-insert-failed";
    /// Packets that passed because of a flow.
    FlowHit = 34, "flow-hit";
    /// Flows that did not survive proving themselves again.
    FlowRevoked = 35, "flow-revoked";
    /// TCP flows taken up again in mid-stream.
    FlowResumed = 36, "flow-resumed";
    /// ICMP errors that passed because of what they quote.
    IcmpError = 37, "icmp-error";
    /// Later fragments that followed their first.
    FragmentFollowed = 38, "fragment-followed";
    /// WireGuard's own packets on the underlay, in.
    WireguardIn = 39, "wireguard-in";
    /// Packets from pods that were examined at length. What the short way lets pass is not counted: that would cost two
    /// cache lines a packet, and pods' devices count packets anyway.
    FromPod = 40, "from-pod-examined";
    /// Packets to pods that were examined at length.
    ToPod = 41, "to-pod-examined";
    /// Packets off the mesh.
    FromPeer = 42, "from-peer";
    /// Packets onto the mesh.
    ToPeer = 43, "to-peer";
}

/// Number of entries of `RF_COUNTERS`.
pub const COUNTERS_LEN: u32 = 64;
