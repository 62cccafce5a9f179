//! Which programs belong on which device, and in which direction.
use aya::programs::TcAttachType;
use aya::util::KernelVersion;
use ringfence_abi::names;

/// What a device of the node is to us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Host side of a pod's veth.
    Pod,
    /// A WireGuard device.
    Mesh,
    /// Any other device but loopback.
    Underlay,
}

/// A device that must bear programs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its index.
    pub ifindex: u32,
    /// Its name, for messages.
    pub name: String,
    /// What it is.
    pub role: Role,
}

/// Direction of a hook as tc sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// Into the node.
    Ingress,
    /// Out of the node.
    Egress,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    pub(super) const fn attach_type(self) -> TcAttachType {
        match self {
            Self::Ingress => TcAttachType::Ingress,
            Self::Egress => TcAttachType::Egress,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

impl Role {
    /// The program of a device of this role in a direction.
    pub const fn program(self, direction: Direction) -> &'static str {
        match (self, direction) {
            (Self::Pod, Direction::Ingress) => names::POD_EGRESS,
            (Self::Pod, Direction::Egress) => names::POD_INGRESS,
            (Self::Mesh, Direction::Ingress) => names::WG_INGRESS,
            (Self::Mesh, Direction::Egress) => names::WG_EGRESS,
            (Self::Underlay, Direction::Ingress) => names::UNDERLAY_INGRESS,
            (Self::Underlay, Direction::Egress) => names::UNDERLAY_EGRESS,
        }
    }
}

/// How programs are attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttachMode {
    /// TCX links, pinned: Linux 6.6 and later.
    Tcx,
    /// Filters of a clsact qdisc.
    Clsact,
}

impl AttachMode {
    /// The best this kernel has.
    pub fn of_this_kernel() -> Self {
        let tcx_since = KernelVersion::new(6, 6, 0);
        if KernelVersion::current().is_ok_and(|current| current >= tcx_since) {
            Self::Tcx
        } else {
            Self::Clsact
        }
    }

    /// The name as `status` shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
        }
    }
}
