//! ipBlocks and pod CIDRs cut the address space into ranges; each has one set of blocks and one kind.
use super::matcher::Matcher;
use super::mistake::{Mistake, Seeded};
use super::ranges::{EVERYTHING, bounds, normal, number};
use super::sets::{EMPTY, Sets};
use crate::model::IpBlock;
use ipnetwork::IpNetwork;
use ringfence_abi::AddressKind;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What the longest-prefix table shall say, and the same for look-ups by address.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// Every network at whose edge something changes, with the set of blocks of the addresses in it that are in no
    /// smaller one, and their kind.
    pub(super) prefixes: Vec<(IpNetwork, u32, AddressKind)>,
    /// First address of each stretch and its set, ascending, by family.
    stretches: [Vec<(u128, u32)>; 2],
    /// Set of the blocks that hold every address of a family without exception: they match every source.
    pub(super) whole: [u32; 2],
}

/// What begins at one network.
#[derive(Default)]
struct Edge {
    blocks: Vec<u32>,
    exceptions: Vec<u32>,
    kind: Option<AddressKind>,
}

/// A network that the sweep is inside of.
struct Open {
    last: u128,
    blocks: Vec<u32>,
    exceptions: Vec<u32>,
    set: u32,
    kind: AddressKind,
}

impl Ranges {
    /// From the blocks in use by number and the pod CIDRs with their kinds. Where a network has two kinds the later
    /// one counts.
    pub(super) fn new<'a>(
        blocks: impl Iterator<Item = (u32, &'a Matcher)>,
        pod_cidrs: &[(IpNetwork, AddressKind)],
        sets: &mut Sets,
        seeded: Seeded,
    ) -> Self {
        let mut edges: [BTreeMap<(u128, u8), (IpNetwork, Edge)>; 2] = Default::default();
        let mut whole: [Vec<u32>; 2] = Default::default();
        {
            let mut edge = |network: IpNetwork, change: &dyn Fn(&mut Edge)| {
                let network = normal(network);
                let key = (bounds(&network).0, network.prefix());
                let entry = edges[family(&network)].entry(key);
                change(&mut entry.or_insert_with(|| (network, Edge::default())).1);
            };
            for network in EVERYTHING {
                edge(network, &|_| {});
            }
            for (network, kind) in pod_cidrs {
                edge(*network, &|e| e.kind = Some(*kind));
            }
            for (id, matcher) in blocks {
                let Matcher::Block(IpBlock { cidr, except }) = matcher else { continue };
                let except = if seeded.makes(Mistake::ExceptIgnored) { &[][..] } else { except };
                edge(*cidr, &|e| e.blocks.push(id));
                except.iter().for_each(|x| edge(*x, &|e| e.exceptions.push(id)));
                if cidr.prefix() == 0 && except.is_empty() {
                    whole[family(cidr)].push(id);
                }
                if seeded.makes(Mistake::WholeIpv4MeansIpv6) && *cidr == EVERYTHING[0] {
                    edge(EVERYTHING[1], &|e| e.blocks.push(id));
                }
            }
        }
        let mut ranges = Self { whole: whole.map(|ids| sets.intern(ids)), ..Self::default() };
        for (family, edges) in edges.into_iter().enumerate() {
            ranges.sweep(family, edges, sets);
        }
        ranges
    }

    /// Networks in order of first address, the wider first: each is inside the last one still open.
    fn sweep(&mut self, family: usize, edges: BTreeMap<(u128, u8), (IpNetwork, Edge)>, sets: &mut Sets) {
        let mut open: Vec<Open> = Vec::new();
        for ((first, _), (network, edge)) in edges {
            self.close(family, &mut open, first);
            let (mut blocks, mut exceptions, kind) = match open.last() {
                Some(outer) => (outer.blocks.clone(), outer.exceptions.clone(), outer.kind),
                None => (Vec::new(), Vec::new(), AddressKind::External),
            };
            blocks.extend(edge.blocks);
            exceptions.extend(edge.exceptions);
            exceptions.sort_unstable();
            // An exception counts also where it is wider than its block.
            let counts = |b: &u32| exceptions.binary_search(b).is_err();
            let set = sets.intern(blocks.iter().copied().filter(counts).collect());
            let kind = edge.kind.unwrap_or(kind);
            self.prefixes.push((network, set, kind));
            self.stretch(family, first, set);
            open.push(Open { last: bounds(&network).1, blocks, exceptions, set, kind });
        }
        self.close(family, &mut open, u128::MAX);
    }

    /// Leaves every open network that ends before `next`.
    fn close(&mut self, family: usize, open: &mut Vec<Open>, next: u128) {
        while let Some(inner) = open.pop_if(|o| o.last < next) {
            let outside = open.last().map_or(EMPTY, |outer| outer.set);
            if let Some(after) = inner.last.checked_add(1) {
                self.stretch(family, after, outside);
            }
        }
    }

    fn stretch(&mut self, family: usize, first: u128, set: u32) {
        match self.stretches[family].last_mut() {
            Some((start, last)) if *start == first => *last = set,
            _ => self.stretches[family].push((first, set)),
        }
    }

    /// The set of blocks that hold the address.
    pub(super) fn set_of(&self, address: IpAddr) -> u32 {
        let stretches = &self.stretches[usize::from(address.is_ipv6())];
        let wanted = number(address);
        let after = stretches.partition_point(|(first, _)| *first <= wanted);
        after.checked_sub(1).and_then(|i| stretches.get(i)).map_or(EMPTY, |(_, set)| *set)
    }

    /// The numbers of the sets held here.
    pub(super) fn sets_in_use(&self) -> impl Iterator<Item = u32> {
        self.prefixes.iter().map(|(_, set, _)| *set).chain(self.whole)
    }
}

fn family(network: &IpNetwork) -> usize {
    usize::from(network.is_ipv6())
}
