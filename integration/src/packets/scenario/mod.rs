//! Random packets for a cluster: what is sent next, given what arrived so far.
//!
//! Everything comes from small pools on purpose: addresses, ports and identifiers then coincide, and rarely met
//! combinations are met.

mod answers;
mod damage;
mod dice;
mod errors;
mod forged;
mod fresh;
mod odd;

use super::oracle::{Known, Sender, Who};
use crate::testrun::packet::Packet;
use dice::Dice;
use std::net::IpAddr;

/// A frame to be sent.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Where it sets out.
    pub sender: Sender,
    /// EtherType.
    pub ethertype: u16,
    /// What follows the link header.
    pub packet: Vec<u8>,
    /// Which backend a Service chooses, counted round.
    pub backend: usize,
    /// `skb->mark` of whatever enters a node.
    pub mark: u32,
    /// IPv6 fragments lose the device they came in by.
    pub lose_ifindex: bool,
}

/// A packet that arrived.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Who got it.
    pub who: Who,
    /// Where whoever got it would send from: at the node by which it left, if that is outside.
    pub answers_from: Sender,
    /// Who had sent it.
    pub sender: Sender,
    /// As it was sent.
    pub sent: Vec<u8>,
    /// As it arrived.
    pub packet: Vec<u8>,
    /// It is a part of a datagram, which nobody answers.
    pub part: bool,
}

/// Makes packets, one after the other.
#[derive(Debug)]
pub struct Scenario {
    dice: Dice,
    families: Vec<bool>,
}

/// Ports that policies and pods of random clusters use, and their neighbours.
const PORTS: [u16; 12] = [1, 2, 53, 80, 81, 82, 443, 8080, 8081, 9090, 65534, 65535];
/// Outside of every random cluster.
const OUTSIDE: [&str; 8] = [
    "203.0.113.7",
    "203.0.113.200",
    "198.51.100.9",
    "192.0.2.1",
    "2001:db8:113::7",
    "2001:db8:113::8000:7",
    "2001:db8:100::9",
    "2001:db8::1",
];

impl Scenario {
    /// The packets of this seed.
    pub fn new(seed: u64, known: &Known) -> Self {
        let nodes = known.cluster.nodes.first();
        let families = nodes.map(|n| n.addresses.iter().map(IpAddr::is_ipv4).collect()).unwrap_or_default();
        Self { dice: Dice::new(seed), families }
    }

    /// The next packet.
    pub fn next(&mut self, known: &Known, arrivals: &[Arrival]) -> Draft {
        loop {
            let draft = match self.dice.below(100) {
                0..=44 => self.fresh(known),
                45..=66 => self.answer(arrivals),
                67..=72 => self.unsolicited(known),
                73..=79 => self.error(known, arrivals),
                80..=85 => self.forged(known),
                86..=90 => self.fragment(known, arrivals),
                91..=95 => self.damaged(known),
                _ => self.odd(known),
            };
            if let Some(mut draft) = draft {
                draft.backend = self.dice.below(4);
                draft.mark = if self.dice.chance(50) { self.dice.number() } else { 0 };
                return draft;
            }
        }
    }

    /// One of the cluster's families: whether it is IPv4.
    fn family(&mut self) -> bool {
        self.dice.pick(&self.families).copied().unwrap_or(true)
    }

    fn draft(&self, sender: Sender, packet: &Packet) -> Draft {
        let ethertype = if packet.src.is_ipv4() { 0x0800 } else { 0x86dd };
        Draft { sender, ethertype, packet: packet.ip(), backend: 0, mark: 0, lose_ifindex: false }
    }

    fn outside(&mut self, v4: bool) -> IpAddr {
        let pool: Vec<IpAddr> =
            OUTSIDE.iter().filter_map(|t| t.parse().ok()).filter(|a: &IpAddr| a.is_ipv4() == v4).collect();
        self.dice.pick(&pool).copied().unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))
    }

    /// An address of a random pod, and its full name and node.
    fn a_pod(&mut self, known: &Known, v4: bool) -> Option<(IpAddr, String, String)> {
        let pods: Vec<_> = known.cluster.pods.iter().filter(|p| !p.host_network).collect();
        let pod = self.dice.pick(&pods)?;
        let address = pod.addresses.iter().find(|a| a.is_ipv4() == v4)?;
        Some((*address, pod.full_name(), pod.node.clone()))
    }

    /// An address of a random node, and its name.
    fn a_node(&mut self, known: &Known, v4: bool) -> Option<(IpAddr, String)> {
        let node = self.dice.pick(&known.cluster.nodes)?;
        let address = node.addresses.iter().find(|a| a.is_ipv4() == v4)?;
        Some((*address, node.name.clone()))
    }

    /// An address in a random node's pod CIDR that no pod has, most likely.
    fn nobody(&mut self, known: &Known, v4: bool) -> Option<IpAddr> {
        let node = self.dice.pick(&known.cluster.nodes)?.name.clone();
        let family = if v4 { crate::evaluator::Family::IPv4 } else { crate::evaluator::Family::IPv6 };
        let host = 253 + self.dice.below(2) as u8;
        Some(match known.gateway(&node, family)? {
            IpAddr::V4(a) => {
                let [x, y, z, _] = a.octets();
                IpAddr::from([x, y, z, host])
            }
            IpAddr::V6(a) => {
                let mut octets = a.octets();
                octets[14] = 9;
                octets[15] = host;
                IpAddr::from(octets)
            }
        })
    }
}
