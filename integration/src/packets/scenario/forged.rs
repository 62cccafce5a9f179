//! Packets whose source does not live where they come from.
use super::{Draft, Scenario};
use crate::packets::oracle::{Known, Sender};
use std::net::IpAddr;

/// Sources that nobody has.
const NOBODY: [&str; 10] = [
    "0.0.0.0",
    "127.0.0.1",
    "255.255.255.255",
    "224.0.0.1",
    "169.254.1.1",
    "::",
    "::1",
    "ff02::1",
    "fe80::1",
    "::ffff:10.0.0.1",
];

impl Scenario {
    pub(super) fn forged(&mut self, known: &Known) -> Option<Draft> {
        let v4 = self.family();
        let source = self.false_source(known, v4)?;
        let sender = match self.dice.below(10) {
            0..=4 => Sender::Pod(self.a_pod(known, v4)?.1),
            5..=7 => Sender::Outside(self.a_node(known, v4)?.1),
            // What WireGuard lets a peer send: anything of its own node.
            _ => self.by_peer(known, v4, source)?,
        };
        let mut target = self.target(known, v4, &Sender::Node(String::new()))?;
        if let (Sender::Peer { to, .. }, true) = (&sender, self.dice.chance(80)) {
            // To a pod of the receiver, mostly.
            let (address, _, node) = self.a_pod(known, v4)?;
            if node != *to {
                return None;
            }
            target.address = address;
        }
        let mut packet = self.opening(source, &target);
        self.dress(&mut packet);
        Some(self.draft(sender, &packet))
    }

    fn false_source(&mut self, known: &Known, v4: bool) -> Option<IpAddr> {
        Some(match self.dice.below(12) {
            0..=3 => self.a_pod(known, v4)?.0,
            4 | 5 => self.a_node(known, v4)?.0,
            6 => self.outside(v4),
            7 | 8 => self.nobody(known, v4)?,
            9 => {
                let (_, node) = self.a_node(known, v4)?;
                let family = if v4 { crate::evaluator::Family::IPv4 } else { crate::evaluator::Family::IPv6 };
                known.gateway(&node, family)?
            }
            _ => {
                let pool: Vec<IpAddr> = NOBODY
                    .iter()
                    .filter_map(|t| t.parse().ok())
                    .filter(|a: &IpAddr| a.is_ipv4() == v4)
                    .collect();
                *self.dice.pick(&pool)?
            }
        })
    }
}
