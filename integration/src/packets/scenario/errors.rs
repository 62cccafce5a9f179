//! ICMP errors: about packets that were sent, and about some that never were.
use super::{Arrival, Draft, Scenario};
use crate::packets::oracle::{Known, Sender};
use crate::packets::reading::Reading;
use crate::testrun::packet::Packet;
use std::net::IpAddr;

impl Scenario {
    pub(super) fn error(&mut self, known: &Known, arrivals: &[Arrival]) -> Option<Draft> {
        if self.dice.chance(75) {
            let recent = if self.dice.chance(60) { arrivals.len().saturating_sub(12) } else { 0 };
            let arrival = self.dice.pick(arrivals.get(recent..)?).filter(|a| !a.part)?.clone();
            return self.about(&arrival);
        }
        let v4 = self.family();
        let (sender, source) = self.sender(known, v4)?;
        let target = self.target(known, v4, &sender)?;
        let invented = super::fresh::Target { address: source, ..target };
        let quoted = self.opening(target.address, &invented);
        let about = if self.dice.chance(80) { source } else { self.outside(v4) };
        let packet = self.message(about, target.address, quoted.ip());
        let packet = Packet { src: source, ..packet };
        Some(self.draft(sender, &packet))
    }

    /// By whoever got the packet, or by a router on its way.
    fn about(&mut self, arrival: &Arrival) -> Option<Draft> {
        let ethertype = if arrival.packet.first()? >> 4 == 4 { 0x0800 } else { 0x86dd };
        let reading = Reading::of(ethertype, &arrival.packet)?;
        let router = matches!(arrival.answers_from, Sender::Outside(_)) && self.dice.chance(50);
        let src = if router { self.outside(reading.src.is_ipv4()) } else { reading.dst };
        let mut quoted = arrival.packet.clone();
        match self.dice.below(10) {
            0 => quoted.truncate(20 + self.dice.below(30)),
            1..=4 if reading.src.is_ipv4() => quoted.truncate(28),
            _ => {}
        }
        // Now and then it says something else than what was sent.
        if self.dice.chance(8) {
            let at = self.dice.below(quoted.len().min(48));
            quoted[at] ^= 1 << self.dice.below(8);
        }
        let packet = self.message(src, reading.src, quoted);
        Some(self.draft(arrival.answers_from.clone(), &packet))
    }

    fn message(&mut self, src: IpAddr, dst: IpAddr, quoted: Vec<u8>) -> Packet {
        let kinds: &[(u8, u8)] = match src.is_ipv4() {
            true => &[(3, 4), (3, 3), (3, 1), (11, 0), (12, 0)],
            false => &[(2, 0), (1, 4), (1, 0), (3, 0), (4, 0)],
        };
        let (kind, code) = kinds[self.dice.below(kinds.len())];
        let mut packet = Packet::icmp(src, dst, kind, code, [0, 0, 5, 0]);
        packet.payload.truncate(8);
        packet.payload.extend(quoted);
        packet
    }
}
