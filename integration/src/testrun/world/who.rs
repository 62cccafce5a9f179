//! Who is in the small cluster, and at which addresses.
use std::net::IpAddr;

/// An address family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];
}

/// Who is in the cluster. Pods are of class 11, 12, 13 (here), 21, 22 (there); the other node 50; the near part of the
/// outside 70, the far part 71; what was masqueraded 90 (IPv6: 91).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// A pod of this node, veth 11.
    A,
    /// Another, veth 12.
    B,
    /// A pod of another node.
    Remote,
    /// Another of that node.
    OtherRemote,
    /// An address in that node's range of which nothing is known.
    UnknownRemote,
    /// An address in this node's range that no pod has.
    Vacant,
    /// An address that is assigned here but has no veth yet.
    Pending,
    /// This node.
    Node,
    /// The gateway of this node's pod CIDR.
    Gateway,
    /// Another node.
    RemoteNode,
    /// The gateway of its pod CIDR.
    RemoteGateway,
    /// Outside the cluster, in a CIDR that some policy names.
    Near,
    /// Outside, in no such CIDR but the one of everything.
    Far,
    /// A ClusterIP, port 80, with pods behind it.
    ClusterIp,
    /// A ClusterIP, port 443, with a node behind it: class 80.
    ApiServer,
}

impl Who {
    /// Its address of a family.
    pub fn ip(self, family: Family) -> IpAddr {
        let (v4, v6): ([u8; 4], &str) = match self {
            Self::A => ([10, 1, 0, 11], "fd10:1::11"),
            Self::B => ([10, 1, 0, 12], "fd10:1::12"),
            Self::Vacant => ([10, 1, 0, 99], "fd10:1::99"),
            Self::Pending => ([10, 1, 0, 13], "fd10:1::13"),
            Self::Remote => ([10, 2, 0, 21], "fd10:2::21"),
            Self::OtherRemote => ([10, 2, 0, 22], "fd10:2::22"),
            Self::UnknownRemote => ([10, 2, 0, 99], "fd10:2::99"),
            Self::Node => ([192, 168, 0, 1], "fd00::1"),
            Self::Gateway => ([10, 1, 0, 1], "fd10:1::1"),
            Self::RemoteNode => ([192, 168, 0, 2], "fd00::2"),
            Self::RemoteGateway => ([10, 2, 0, 1], "fd10:2::1"),
            Self::Near => ([203, 0, 113, 7], "2001:db8::7"),
            Self::Far => ([198, 51, 100, 9], "2001:db9::9"),
            Self::ClusterIp => ([10, 96, 0, 10], "fd96::10"),
            Self::ApiServer => ([10, 96, 0, 1], "fd96::1"),
        };
        match family {
            Family::V4 => IpAddr::from(v4),
            Family::V6 => v6.parse().unwrap_or(IpAddr::from([0u16; 8])),
        }
    }
}
