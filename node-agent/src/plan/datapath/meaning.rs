//! What a place (an address, a prefix, a Service) is to a profile, before and after.
use super::entries::Side;
use ringfence_abi::{PolicyKey, PolicyValue};

/// All ports of all protocols.
pub(super) const EVERYTHING: PolicyValue = PolicyValue {
    tcp: PolicyValue::ALL,
    udp: PolicyValue::ALL,
    sctp: PolicyValue::ALL,
    other: PolicyValue::ALL,
};

/// How a verdict about a place comes about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Meaning {
    /// By what the policy table says of this class.
    Class(u32),
    /// It is let through here: this node's own address, or a Service that is judged later.
    Pass,
    /// A Service's key that is not there: by what the policy table says of the address's class and this port (host order).
    Port { class: u32, protocol: u8, port: u16 },
}

impl Meaning {
    /// What one side's policy says of it to a profile.
    pub(super) fn value(self, side: &Side<'_>, profile: u32) -> Option<PolicyValue> {
        match self {
            Self::Class(class) => side.tables.policy.get(&PolicyKey { profile, class }).copied(),
            Self::Pass => Some(EVERYTHING),
            Self::Port { class, protocol, port } => {
                side.tables.permits(profile, class, protocol, port).then_some(EVERYTHING)
            }
        }
    }
}
