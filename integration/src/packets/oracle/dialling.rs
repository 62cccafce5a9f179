//! Packets to a Service or host port.
use super::Expectation;
use super::ends::Who;
use super::history::Excuse;
use super::policy::{Ends, Judged, Tri};
use super::rules::{Facts, Oracle, REFUSED, Sent};
use super::source::Sender;
use crate::evaluator::Family;
use crate::packets::reading::{Flow, Reading, Role};
use anyhow::{Result, ensure};
use std::net::IpAddr;

impl Oracle {
    /// To a Service or host port: the backend decides; but a client that may not reach all of them may find that it
    /// reaches none, where no later hook could tell which was chosen.
    pub(super) fn dialling(
        &self,
        sender: &Sender,
        (reading, role): (&Reading, Role),
        backends: &[(IpAddr, u16)],
        facts: Facts,
        (excuse, sent): (Excuse, &mut Sent),
    ) -> Result<Expectation> {
        let mut all = Vec::new();
        for (address, port) in backends {
            let ends = self.ends(sender, &sent.from, reading, *address, facts.replaced);
            all.push(self.known.judge(&ends, reading.shape, *port)?);
        }
        let chosen = facts.translated.and_then(|chosen| backends.iter().position(|b| *b == chosen));
        if let (Some(other), None) = (facts.translated, chosen) {
            // A connection keeps the backend that it began with, also when the Service has lost it.
            let flow = reading.flow();
            let known = self.history.records().iter().any(|r| Some(r.sent) == flow);
            ensure!(known, "{other:?} is no backend of what {flow:?} dials");
            return Ok(Expectation::new(Tri::Maybe, "a backend that the Service had"));
        }
        let every = |of: fn(&Judged) -> Tri| all.iter().map(of).fold(Tri::Yes, Tri::and);
        let verdict = match chosen {
            Some(at) => {
                let own = all[at];
                let ends = self.ends(sender, &sent.from, reading, backends[at].0, facts.replaced);
                let flow = reading.flow().map(|flow| Flow { dst: backends[at], ..flow });
                let resumed = match flow {
                    Some(flow) => self.resumed(&ends, flow, role)?,
                    None => Excuse::NONE.judged,
                };
                (sent.own, sent.ends) = (own, Some(ends));
                match (own.or(excuse.judged).or(resumed).both(), every(|j| j.egress)) {
                    (Tri::Yes, Tri::Yes) => Tri::Yes,
                    (verdict, _) => verdict.and(Tri::Maybe),
                }
            }
            None if role == Role::Middle || resets(reading) || self.is_known_reversed(reading) => {
                return self.out_of_sight(sender, (reading, role), backends, facts, (excuse, sent));
            }
            None if all.iter().all(|j| j.both() == Tri::No) => excuse.judged.both(),
            None => every(|j| j.both()),
        };
        let receiver = sent.ends.as_ref().map(|ends| ends.to.clone());
        Ok(Expectation { verdict, rule: "through a Service or host port", reasons: REFUSED, receiver })
    }

    /// The same, where nobody can see what it was translated to. Connection tracking goes by connections, not by packets: a
    /// backend that was chosen is kept, a RST opens nothing and so is not translated, nor is what belongs to a connection
    /// that the other end began. So it is for the address itself, for a backend, or for one that the Service had.
    fn out_of_sight(
        &self,
        sender: &Sender,
        (reading, role): (&Reading, Role),
        backends: &[(IpAddr, u16)],
        facts: Facts,
        (excuse, sent): (Excuse, &mut Sent),
    ) -> Result<Expectation> {
        let (own, flow) = (sent.own, reading.flow());
        let itself = self.ends(sender, &sent.from, reading, reading.dst, facts.replaced);
        let mut any = self.untranslated(reading, role, &itself, sent)?.0;
        sent.own = own;
        for (address, port) in backends {
            let ends = self.ends(sender, &sent.from, reading, *address, facts.replaced);
            let own = self.known.judge(&ends, reading.shape, *port)?;
            any = any.or(match flow {
                Some(flow) => {
                    let resumed = self.resumed(&ends, Flow { dst: (*address, *port), ..flow }, role)?;
                    own.or(excuse.judged).or(resumed).both()
                }
                None => own.both(),
            });
        }
        let before = self.history.records().iter().any(|r| Some(r.sent) == flow);
        let verdict = if any == Tri::No && !before { Tri::No } else { Tri::Maybe };
        let expected =
            Expectation::new(verdict, "to a Service or host port, by a connection that is not in sight");
        Ok(self.unless_service(reading.dst, Expectation { reasons: REFUSED, ..expected }))
    }

    /// Somebody has sent the other way between these ends: to connection tracking this is part of that.
    fn is_known_reversed(&self, reading: &Reading) -> bool {
        let back = reading.flow().map(Flow::reversed);
        self.history
            .records()
            .iter()
            .any(|r| Some(r.sent) == back || r.arrived.as_ref().is_some_and(|(_, flow)| Some(*flow) == back))
    }

    /// A packet that still bears a Service's address where it leaves its node is dropped.
    pub(super) fn unless_service(&self, dst: IpAddr, expected: Expectation) -> Expectation {
        let services = &self.known.cluster.services;
        if services.iter().any(|s| s.cluster_ips.contains(&dst)) {
            return Expectation::new(Tri::No, "a Service's address that nobody translates");
        }
        // Of external addresses only the Service's ports count, and those not as fragments.
        match services.iter().any(|s| s.external_ips.contains(&dst)) {
            true => Expectation { verdict: expected.verdict.and(Tri::Maybe), reasons: &[], ..expected },
            false => expected,
        }
    }

    /// Real ends of a packet to `target`.
    pub(super) fn ends(
        &self,
        sender: &Sender,
        from: &Who,
        reading: &Reading,
        target: IpAddr,
        replaced: bool,
    ) -> Ends {
        let mut ends = self.known.ends(from, reading.src, (reading.dst, target), replaced);
        match sender {
            // The gateway of a peer stands for anybody.
            Sender::Peer { .. } => {
                ends.unknown = replaced || self.known.is_gateway(reading.src);
                ends.lawless = true;
            }
            // Off the wire, nobody vouches for a node's address.
            Sender::Outside(_) => ends.unknown |= matches!(ends.from, Who::Node(_)),
            // From its gateway address a node is judged as whom it masquerades, unless that is replaced by its own.
            Sender::Node(node) if self.known.is_gateway(reading.src) => {
                let own = self.known.cluster.node(node).and_then(|n| n.address(Family::of(reading.src)));
                match own.filter(|_| replaced) {
                    Some(own) => ends.source = own,
                    None => ends.unknown |= self.known.node_of(&ends.to).as_ref() != Some(node),
                }
            }
            Sender::Pod(_) | Sender::Node(_) => {}
        }
        ends
    }
}

/// TCP with RST, be it a SYN otherwise.
fn resets(reading: &Reading) -> bool {
    reading.transport().is_some_and(|t| t.protocol == 6 && t.kind & 0x04 != 0)
}
