//! Damaged packets and fragments.
use super::{Arrival, Draft, Scenario};
use crate::packets::oracle::{Known, Sender};
use crate::packets::reading::Reading;
use crate::testrun::packet::{Fragment, Packet};

impl Scenario {
    /// Something good, cut off, contradicting itself, or with a wrong byte in its headers.
    pub(super) fn damaged(&mut self, known: &Known) -> Option<Draft> {
        let v4 = self.family();
        let (sender, source) = self.sender(known, v4)?;
        if matches!(sender, Sender::Node(_)) {
            // A node's own network layer sends nothing of the kind.
            return None;
        }
        let target = self.target(known, v4, &sender)?;
        let mut packet = self.opening(source, &target);
        let kind = self.dice.below(10);
        if kind < 4 {
            packet = packet.cut(self.dice.below(22));
        }
        self.dress(&mut packet);
        let mut draft = self.draft(sender, &packet);
        let bytes = &mut draft.packet;
        match kind {
            0..=3 => {}
            4 => {
                // The link carries less than the header says.
                let left = 40 + self.dice.below(bytes.len().saturating_sub(40).max(1));
                bytes.truncate(left);
            }
            5 => bytes.extend(vec![0; 1 + self.dice.below(40)]),
            6 => {
                let stated = self.dice.below(90) as u16;
                let at = if v4 { 2 } else { 4 };
                bytes[at..at + 2].copy_from_slice(&stated.to_be_bytes());
            }
            7 => bytes[0] = self.dice.below(256) as u8,
            _ => {
                // Not the addresses: those would only make another packet.
                let headers = if v4 { (0..12).chain(20..44) } else { (0..8).chain(40..64) };
                let places: Vec<usize> = headers.filter(|at| *at < bytes.len()).collect();
                let at = *self.dice.pick(&places)?;
                bytes[at] ^= 1 << self.dice.below(8);
            }
        }
        Some(draft)
    }

    /// A first fragment, a later one of something that was sent in parts before, or one of nothing.
    pub(super) fn fragment(&mut self, known: &Known, arrivals: &[Arrival]) -> Option<Draft> {
        let draft = match self.dice.below(10) {
            0..=3 => self.first_fragment(known),
            4..=7 => self.behind_first(arrivals),
            _ => self.orphan(known),
        };
        let mut draft = draft?;
        draft.lose_ifindex = draft.ethertype == 0x86dd && self.dice.chance(40);
        Some(draft)
    }

    fn first_fragment(&mut self, known: &Known) -> Option<Draft> {
        let v4 = self.family();
        let (sender, source) = self.sender(known, v4)?;
        let target = self.target(known, v4, &sender)?;
        let mut packet = self.opening(source, &target).first_fragment(self.identification());
        if self.dice.chance(15) {
            packet = packet.cut(self.dice.below(16));
        }
        self.behind_headers(&mut packet);
        Some(self.draft(sender, &packet))
    }

    fn orphan(&mut self, known: &Known) -> Option<Draft> {
        let v4 = self.family();
        let (sender, source) = self.sender(known, v4)?;
        let target = self.target(known, v4, &sender)?;
        let offset = 1 + self.dice.below(6) as u16;
        let mut packet = self.opening(source, &target).later_fragment(self.identification(), offset);
        self.behind_headers(&mut packet);
        Some(self.draft(sender, &packet))
    }

    /// The rest of a datagram whose first part arrived.
    fn behind_first(&mut self, arrivals: &[Arrival]) -> Option<Draft> {
        let firsts: Vec<(&Arrival, Reading)> = arrivals
            .iter()
            .filter_map(|a| {
                let ethertype = if a.sent.first()? >> 4 == 4 { 0x0800 } else { 0x86dd };
                Some((a, Reading::of(ethertype, &a.sent)?))
            })
            .filter(|(_, reading)| reading.first)
            .collect();
        let (arrival, reading) = self.dice.pick(&firsts)?;
        let (id, protocol) = reading.fragment?;
        let offset = 1 + self.dice.below(6) as u16;
        let mut packet = Packet::new(reading.src, reading.dst, protocol, vec![0xcd; 32]);
        packet.fragment = Some(Fragment { id, offset, more: self.dice.chance(50) });
        let sender = arrival.sender.clone();
        Some(self.draft(sender, &packet))
    }

    /// Few, so that they meet.
    fn identification(&mut self) -> u32 {
        1 + self.dice.below(30) as u32
    }

    fn behind_headers(&mut self, packet: &mut Packet) {
        if packet.src.is_ipv6() && self.dice.chance(20) {
            let extension = self.extension();
            packet.extensions.push(extension);
        }
        if packet.src.is_ipv6() && self.dice.chance(20) {
            let extension = self.extension();
            packet.inner_extensions.push(extension);
        }
    }
}
