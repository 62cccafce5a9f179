//! Mistakes that tests plant into the programs, to show that the comparison of packets with the slow oracle would find
//! them. Nothing here, and nothing of what it stands for, is in a build without the feature `seeded-mistakes`.

/// Read-only global (`u32`): which mistake the programs make; 0: none.
pub const GLOBAL: &str = "MISTAKE";

macro_rules! mistakes {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)+) => {
        /// A mistake that a program might make.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u32)]
        pub enum Mistake { $($(#[$doc])* $name = $number,)+ }

        impl Mistake {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

mistakes! {
    /// A pod may send from any address.
    SourceUnchecked = 1,
    /// Off the mesh, a packet may go on to anywhere.
    DestinationUnchecked = 2,
    /// A packet that enters with a mark which says that it was judged keeps that.
    MarkBelieved = 3,
    /// What goes to the node itself counts as judged in both directions: a host port's pod is behind that address.
    NodeIsTheEnd = 4,
    /// Behind routing a local pod is found by the source address, which NAT may have rewritten.
    SourceByAddress = 5,
    /// Replies are not recognised where they enter, before NAT is undone.
    RepliesLeftToTheEnd = 6,
    /// No flow is ever kept.
    NothingKept = 7,
    /// A SYN between the ends of a flow passes as part of it, whoever sends it.
    SynIsReply = 8,
    /// An echo request passes as the answer to one of the other end's.
    EchoRequestIsReply = 9,
    /// A flow never proves itself again.
    GenerationIgnored = 10,
    /// Any TCP in mid-stream is taken for a lost flow's.
    AnythingResumes = 11,
    /// An ICMP error passes whatever it quotes.
    ErrorUnchecked = 12,
    /// Later fragments do not follow their first.
    FragmentsForgotten = 13,
    /// What cannot be read passes where every port of one protocol may.
    UnreadableIsOther = 14,
    /// Policy is asked about a Service's own address.
    ServicesUnknown = 15,
    /// Ports are compared as they lie in the packet.
    PortsSwapped = 16,
    /// What was masqueraded to the node's address counts as the node's own.
    MasqueradedIsNode = 17,
    /// A flow serves whoever bears its addresses, be it another pod than then.
    FlowOfStrangers = 18,
    /// The short way between two pods of a node asks no policy.
    ShortWayAsksNobody = 19,
}
