//! What became of a packet.
use super::wire;
use crate::model::ObjectName;
use ringfence_abi::{Mark, Reason};
use std::fmt;
use std::net::IpAddr;

/// Where a packet sets out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Entry {
    /// In a pod.
    Pod(ObjectName),
    /// On a node itself.
    Node(String),
    /// Off the wire, at this node's other devices.
    Outside(String),
    /// Onto the mesh by `from`, past all of its own hooks, to `to`: what a node that obeys nobody may send.
    Peer {
        /// The sender.
        from: String,
        /// The receiver.
        to: String,
    },
}

/// Where it ended.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum End {
    /// In a pod.
    Pod(ObjectName),
    /// At a node.
    Node(String),
    /// Out of the cluster, by this node.
    Outside(String),
    /// On the link between a pod and its node: neighbour discovery, multicast.
    Link(String),
    /// At a hook.
    Dropped {
        /// Whose hook.
        node: String,
        /// The program.
        hook: &'static str,
        /// What it counted.
        reason: Reason,
    },
    /// On the way, by what is not ours.
    Lost(Loss),
}

/// Why the network around the programs did not carry a packet on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Loss {
    /// The network layer refuses its header.
    Malformed,
    /// A source or destination that is never routed.
    Martian,
    /// Its last router.
    Expired,
    /// A route that leads nowhere.
    Blackhole,
    /// A Service without a backend that could be used.
    NoBackend,
    /// Behind its translation it could not be told from another connection.
    Clash,
    /// WireGuard: the source is none of the sender's.
    AllowedIps,
    /// Not IP, and so not forwarded.
    NotIp,
    /// It went round.
    Loop,
}

/// One hook that was passed or not.
#[derive(Clone, Debug)]
pub struct Step {
    /// Whose hook.
    pub node: String,
    /// The program.
    pub hook: &'static str,
    /// The packet as the program saw it, without link header.
    pub packet: Vec<u8>,
    /// `skb->mark` before and after.
    pub mark: [u32; 2],
    /// What came of it; `None`: passed.
    pub dropped: Option<Reason>,
}

/// The whole way.
#[derive(Clone, Debug)]
pub struct Journey {
    /// Where it ended.
    pub end: End,
    /// As it was there.
    pub packet: Vec<u8>,
    /// The hooks in the order met.
    pub steps: Vec<Step>,
    /// Of how many backends one was chosen, where a destination was translated.
    pub backends: Option<usize>,
    /// What its destination became, where it was translated.
    pub translated: Option<(IpAddr, u16)>,
}

impl Journey {
    /// Whether somebody got the packet.
    pub fn arrived(&self) -> bool {
        !matches!(self.end, End::Dropped { .. } | End::Lost(_))
    }
}

impl fmt::Display for Journey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let [before, after] = step.mark.map(|mark| Mark::read(mark, Mark::SHIFT_DEFAULT).0);
            write!(f, "  {:<8} {:<16} mark {before:#04x} -> {after:#04x}  ", step.node, step.hook)?;
            wire::describe(&step.packet, f)?;
            match step.dropped {
                None => writeln!(f, "  passed")?,
                Some(reason) => writeln!(f, "  DROPPED {}", reason.name())?,
            }
        }
        write!(f, "  end: {:?}", self.end)
    }
}
