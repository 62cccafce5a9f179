//! What is no connection at all: neighbour discovery, multicast, other EtherTypes.
use super::{Draft, Scenario};
use crate::packets::oracle::{Known, Sender};
use crate::testrun::packet::Packet;
use std::net::IpAddr;

/// ICMPv6: discovery, router messages, group membership.
const TYPES: [u8; 9] = [133, 135, 136, 134, 137, 130, 131, 132, 143];
const GROUPS: [&str; 5] = ["ff02::1", "ff02::1:ff00:1", "ff05::2", "224.0.0.251", "255.255.255.255"];

impl Scenario {
    pub(super) fn odd(&mut self, known: &Known) -> Option<Draft> {
        match self.dice.below(10) {
            0..=4 => self.neighbour(known),
            5 | 6 => self.multicast(known),
            _ => {
                let v4 = self.family();
                let (sender, _) = self.sender(known, v4)?;
                if matches!(sender, Sender::Node(_)) {
                    return None;
                }
                // ARP, VLAN, MPLS, LLDP, and IP that is none.
                let ethertype = [0x0806, 0x0806, 0x8100, 0x8847, 0x88cc, 0x0800, 0x86dd][self.dice.below(7)];
                let mut packet = vec![0; 60];
                packet[0] = self.dice.below(256) as u8 & 0x3f;
                let lose_ifindex = false;
                Some(Draft { sender, ethertype, packet, backend: 0, mark: 0, lose_ifindex })
            }
        }
    }

    fn neighbour(&mut self, known: &Known) -> Option<Draft> {
        let (own, name, _) = self.a_pod(known, false)?;
        let link: IpAddr = "fe80::7".parse().ok()?;
        let nobody: IpAddr = "::".parse().ok()?;
        let source = [own, link, nobody][self.dice.below(3)];
        let target = match self.dice.below(4) {
            0 => self.target(known, false, &Sender::Node(String::new()))?.address,
            1 => "fe80::1".parse().ok()?,
            _ => GROUPS[self.dice.below(3)].parse().ok()?,
        };
        let kind = TYPES[self.dice.below(TYPES.len())];
        let limits = if kind < 133 || kind == 143 { [1, 1, 64] } else { [255, 255, 64] };
        let packet =
            Packet::icmp(source, target, kind, 0, [0; 4]).hop_limit(limits[self.dice.below(limits.len())]);
        Some(self.draft(Sender::Pod(name), &packet))
    }

    fn multicast(&mut self, known: &Known) -> Option<Draft> {
        let v4 = self.family();
        let (sender, source) = self.sender(known, v4)?;
        let groups: Vec<IpAddr> =
            GROUPS.iter().filter_map(|t| t.parse().ok()).filter(|a: &IpAddr| a.is_ipv4() == v4).collect();
        let address = *self.dice.pick(&groups)?;
        let target = super::fresh::Target { address, port: 5353, protocol: Some(17) };
        let packet = self.opening(source, &target);
        if matches!(sender, Sender::Node(_)) {
            return None;
        }
        Some(self.draft(sender, &packet))
    }
}
