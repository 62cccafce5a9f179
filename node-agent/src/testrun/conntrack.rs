//! Connection tracking of one node, with the translations that were decided for each connection.
//!
//! As netfilter does it: what a connection's first packet met holds for all others, both ways; an ICMP error is
//! translated, inside and out, like a packet of the direction opposite to the one it quotes
//! (`nf_nat_icmp_reply_translation`, net/netfilter/nf_nat_core.c).
use super::wire::{self, Numbers, Tuple};
use std::collections::HashMap;
use std::net::IpAddr;

/// The connections of a node.
#[derive(Debug, Default)]
pub(super) struct Conntrack {
    /// By a tuple of either direction: how packets that bear it leave the node.
    known: HashMap<Tuple, Tuple>,
    next_port: u16,
}

/// What a node shall do with the source of a new connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// It stays.
    Keep,
    /// It becomes this address.
    Become(IpAddr),
}

impl Conntrack {
    /// The ends that a packet of a known connection leaves with.
    pub(super) fn known(&self, tuple: &Tuple) -> Option<Tuple> {
        self.known.get(tuple).copied()
    }

    /// Enters a connection that begins with `tuple`, whose destination has become `dst` and whose source becomes what
    /// `source` says. Returns how its packets leave; `None` if they could not be told from another connection's, as of a
    /// protocol without ports: netfilter drops those when it confirms them (`__nf_conntrack_confirm`).
    pub(super) fn begin(&mut self, tuple: Tuple, dst: (IpAddr, u16), source: Source) -> Option<Tuple> {
        let mut leaves = Tuple { dst, ..tuple };
        if let Source::Become(address) = source {
            leaves.src.0 = address;
        }
        // Two clients behind one address: the later one's port is changed, and an echo's identifier, which is both ports.
        while leaves != tuple && self.known.contains_key(&leaves.reversed()) {
            let numbers = wire::numbers(tuple.protocol)?;
            self.next_port = self.next_port.wrapping_add(1);
            leaves.src.1 = 40_000 + self.next_port % 20_000;
            if numbers == Numbers::Identifier {
                leaves.dst.1 = leaves.src.1;
            }
        }
        self.known.insert(tuple, leaves);
        self.known.insert(leaves.reversed(), tuple.reversed());
        Some(leaves)
    }

    /// Translates an ICMP error that quotes from `at` on, if it is about a known connection.
    pub(super) fn translate_error(&self, packet: &mut [u8], at: usize) {
        let Some(entered) = wire::quoted(packet, at).map(Tuple::reversed) else { return };
        let Some(leaves) = self.known(&entered) else { return };
        let Some((src, dst)) = wire::addresses(packet) else { return };
        wire::rewrite(packet, at, &leaves.reversed());
        let src = if leaves.src.0 == entered.src.0 { src } else { leaves.src.0 };
        let dst = if leaves.dst.0 == entered.dst.0 { dst } else { leaves.dst.0 };
        wire::rewrite_addresses(packet, src, dst);
    }
}
