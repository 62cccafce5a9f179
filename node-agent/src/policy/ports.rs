//! Sets of ports: of a rule, joined over rules, and as numbered bitmaps.
use super::mistake::{Mistake, Seeded};
use crate::model::{PortMatch, Ports, Protocol};
use ringfence_abi::{PolicyValue, PortBitmap};

/// What one rule says about ports; arrays by [`slot`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct RulePorts {
    /// Every protocol and port, ICMP included.
    pub(super) every: bool,
    /// Every port of these protocols.
    pub(super) whole: [bool; 3],
    /// First and last, inclusive.
    pub(super) ranges: [Vec<(u16, u16)>; 3],
    /// By the destination's container ports.
    pub(super) named: Vec<(Protocol, String)>,
}

/// Index of a protocol in arrays: TCP, UDP, SCTP.
pub(super) const fn slot(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Tcp => 0,
        Protocol::Udp => 1,
        Protocol::Sctp => 2,
    }
}

impl RulePorts {
    pub(super) fn new(ports: &Ports, seeded: Seeded) -> Self {
        let mut out = Self::default();
        let entries = match ports {
            Ports::Any if seeded.makes(Mistake::PortlessLeavesOutSctp) => {
                out.whole = [true, true, false];
                return out;
            }
            Ports::Any => return Self { every: true, ..out },
            Ports::Only(entries) => entries,
        };
        for entry in entries {
            match entry {
                PortMatch::All(protocol) => out.whole[slot(*protocol)] = true,
                PortMatch::Range(protocol, first, last) => {
                    let last = if seeded.makes(Mistake::EndPortExclusive) && last > first {
                        last - 1
                    } else {
                        *last
                    };
                    out.ranges[slot(*protocol)].push((*first, last));
                }
                PortMatch::Named(protocol, name) => out.named.push((*protocol, name.clone())),
                PortMatch::Nothing => {}
            }
        }
        if seeded.makes(Mistake::ProtocolIgnored) {
            out.whole = [out.whole.contains(&true); 3];
            out.ranges = std::array::from_fn(|_| out.ranges.concat());
        }
        out
    }
}

/// The ports of several rules together, by their own numbers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct PortUnion {
    pub(super) every: bool,
    pub(super) whole: [bool; 3],
    pub(super) ranges: [Vec<(u16, u16)>; 3],
}

impl PortUnion {
    /// Adds a rule's; `named` says which ports a name stands for.
    pub(super) fn add(&mut self, rule: &RulePorts, named: impl Fn(Protocol, &str) -> Vec<u16>) {
        self.every |= rule.every;
        for i in 0..3 {
            self.whole[i] |= rule.whole[i];
            self.ranges[i].extend(&rule.ranges[i]);
        }
        for (protocol, name) in &rule.named {
            self.ranges[slot(*protocol)].extend(named(*protocol, name).into_iter().map(|p| (p, p)));
        }
    }

    /// Whether `port` of `protocol` is in it.
    pub(super) fn has(&self, protocol: Protocol, port: u16) -> bool {
        let i = slot(protocol);
        self.every || self.whole[i] || self.ranges[i].iter().any(|(a, b)| (*a..=*b).contains(&port))
    }

    /// As a table value; `None` if it is empty. `bitmap` numbers a set of ranges, ascending and apart.
    pub(super) fn value(self, mut bitmap: impl FnMut(Vec<(u16, u16)>) -> u32) -> Option<PolicyValue> {
        const ALL: u32 = PolicyValue::ALL;
        if self.every {
            return Some(PolicyValue { tcp: ALL, udp: ALL, sctp: ALL, other: ALL });
        }
        let mut fields = [PolicyValue::NONE; 3];
        for (i, ranges) in self.ranges.into_iter().enumerate() {
            let ranges = normal(ranges);
            fields[i] = match ranges.as_slice() {
                _ if self.whole[i] => ALL,
                [] => PolicyValue::NONE,
                [(0, u16::MAX)] => ALL,
                _ => bitmap(ranges),
            };
        }
        let [tcp, udp, sctp] = fields;
        (fields != [PolicyValue::NONE; 3]).then_some(PolicyValue { tcp, udp, sctp, other: PolicyValue::NONE })
    }
}

/// Ascending, neither overlapping nor touching.
fn normal(mut ranges: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    ranges.retain(|(first, last)| first <= last);
    ranges.sort_unstable();
    let mut out: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match out.last_mut() {
            Some((_, end)) if u32::from(first) <= u32::from(*end) + 1 => *end = last.max(*end),
            _ => out.push((first, last)),
        }
    }
    out
}

/// The bits of these ranges.
pub(super) fn bitmap_of(ranges: &[(u16, u16)]) -> PortBitmap {
    let mut words = [0u64; 1024];
    for port in ranges.iter().flat_map(|(first, last)| *first..=*last) {
        words[usize::from(port / 64)] |= 1 << (port % 64);
    }
    PortBitmap { words }
}

/// The ranges of these bits.
pub(super) fn ranges_of(bitmap: &PortBitmap) -> Vec<(u16, u16)> {
    let set = (0..=u16::MAX).filter(|p| super::lookup::bitmap_has(bitmap, *p));
    normal(set.map(|p| (p, p)).collect())
}
