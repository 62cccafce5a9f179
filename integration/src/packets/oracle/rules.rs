//! The rules, put together.
use super::Expectation;
use super::ends::{Known, Who};
use super::errors;
use super::history::{Excuse, History, Record};
use super::policy::{Ends, Judged, Tri};
use super::services::Dialled;
use super::source::{self, Sender};
use crate::evaluator::Family;
use crate::packets::reading::{Flow, Reading, Role, Shape, Transport};
use anyhow::{Result, ensure};
use ringfence_abi::Reason;
use serde_json::Value;
use std::net::IpAddr;

/// What the network around the programs did to a packet, which is its own affair.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// The destination, where it was replaced.
    pub translated: Option<(IpAddr, u16)>,
    /// The source was replaced.
    pub replaced: bool,
}

/// Judges packets of one cluster, in the order in which they are sent.
#[derive(Clone, Debug)]
pub struct Oracle {
    known: Known,
    history: History,
}

/// A packet that was judged, to be remembered with what became of it.
#[derive(Clone, Debug)]
pub struct Sent {
    sender: Sender,
    from: Who,
    reading: Option<Reading>,
    transport: Option<Transport>,
    ends: Option<Ends>,
    own: Judged,
    /// Nothing is laid down about it, so nothing follows for certain from its having arrived.
    uncertain: bool,
}

/// What policy may count.
const REFUSED: &[Reason] = &[
    Reason::PolicyEgress,
    Reason::PolicyIngress,
    Reason::Unjudged,
    Reason::Malformed,
    Reason::FragmentUnknown,
];
const OPEN: Judged = Judged { egress: Tri::Yes, ingress: Tri::Yes };

impl Oracle {
    /// Reads a cluster's objects.
    ///
    /// # Errors
    /// What the evaluator cannot read.
    pub fn new(objects: &[Value]) -> Result<Self> {
        Ok(Self { known: Known::new(objects)?, history: History::default() })
    }

    /// The same cluster with other objects; what was sent is remembered.
    ///
    /// # Errors
    /// As [`Oracle::new`].
    pub fn change(&mut self, objects: &[Value]) -> Result<()> {
        self.known = Known::new(objects)?;
        self.history.policies_changed();
        Ok(())
    }

    /// Every node has forgotten its flows.
    pub fn flows_forgotten(&mut self) {
        self.history.flows_forgotten();
    }

    /// The cluster.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// What was sent.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What must become of a packet, and what to remember of it.
    ///
    /// # Errors
    /// What the evaluator cannot judge.
    pub fn expect(
        &self,
        sender: &Sender,
        ethertype: u16,
        packet: &[u8],
        facts: Facts,
    ) -> Result<(Expectation, Sent)> {
        let reading = Reading::of(ethertype, packet);
        let from = match (&reading, sender) {
            (_, Sender::Pod(name)) => Who::Pod(name.clone()),
            (_, Sender::Node(node)) => Who::Node(node.clone()),
            (Some(reading), _) => self.known.who(reading.src),
            (None, _) => Who::Outside,
        };
        let mut sent = Sent {
            sender: sender.clone(),
            from,
            reading: reading.clone(),
            transport: None,
            ends: None,
            own: OPEN,
            uncertain: false,
        };
        if let Some(outright) = source::outright(&self.known, sender, ethertype, reading.as_ref())? {
            return Ok((outright, sent));
        }
        let Some(reading) = reading else { return Ok((Expectation::new(Tri::No, "nothing to read"), sent)) };
        sent.transport = reading.transport();
        if reading.contradicts {
            return Ok((Expectation::new(Tri::No, "lengths that contradict each other"), sent));
        }
        if reading.lengthless && reading.transport().is_none() {
            return Ok((Expectation::new(Tri::Maybe, "IPv6 that states no length"), sent));
        }
        if let (Some((id, protocol)), false) = (reading.fragment, reading.first) {
            let expectation = self.later_fragment(sender, &reading, (id, protocol), &mut sent)?;
            return Ok((self.unless_service(reading.dst, expectation), sent));
        }
        let expectation = self.whole(sender, &reading, facts, &mut sent)?;
        sent.uncertain = expectation.verdict == Tri::Maybe;
        Ok((expectation, sent))
    }

    /// A later fragment is judged as its first; if that is not known, by what can be read of it alone.
    fn later_fragment(
        &self,
        sender: &Sender,
        reading: &Reading,
        (id, protocol): (u32, u8),
        sent: &mut Sent,
    ) -> Result<Expectation> {
        let ends = self.ends(sender, &sent.from, reading, reading.dst, false);
        let key = (Flow { src: (reading.src, 0), dst: (reading.dst, 0), protocol }, id);
        let firsts = if reading.shape == Shape::Unreadable && !hidden(protocol) {
            &[]
        } else {
            self.history.firsts(key)
        };
        let alone = self.known.judge(&ends, reading.shape, 0)?.both();
        let Some(first) = firsts.last() else {
            return Ok(Expectation { reasons: REFUSED, ..Expectation::new(alone, "a later fragment alone") });
        };
        let as_first = Reading { shape: Shape::Whole(first.transport), ..reading.clone() };
        let verdict = match as_first.role() {
            Some(Role::Error) | None => Tri::Maybe,
            Some(role) => self.untranslated(&as_first, role, &ends, sent)?.0,
        };
        // Hooks that did not have to look at the first do not know it.
        let same = first.epoch == self.history.epochs()[0] && first.sender == *sender;
        // Nor is it translated here, as the first would have been.
        let itself =
            self.known.dialled(("", false), reading.dst, first.transport.to, first.transport.protocol);
        let settled = firsts.len() == 1 && same;
        let verdict = match (verdict, settled) {
            _ if itself != Dialled::Itself => Tri::Maybe,
            (verdict, true) => verdict,
            (verdict, false) if verdict == alone => verdict,
            _ => Tri::Maybe,
        };
        Ok(Expectation { reasons: REFUSED, ..Expectation::new(verdict, "a later fragment behind its first") })
    }

    fn whole(
        &self,
        sender: &Sender,
        reading: &Reading,
        facts: Facts,
        sent: &mut Sent,
    ) -> Result<Expectation> {
        let from = sent.from.clone();
        if reading.transport().is_none() && facts.translated.is_some() {
            return Ok(Expectation::new(
                Tri::Maybe,
                "a transport header that only connection tracking reads",
            ));
        }
        let Some(flow) = reading.flow() else {
            let ends = self.ends(sender, &from, reading, reading.dst, false);
            let verdict = self.known.judge(&ends, reading.shape, 0)?.both();
            let expected = Expectation::new(verdict, "a transport header not all there");
            return Ok(self.unless_service(reading.dst, Expectation { reasons: REFUSED, ..expected }));
        };
        let role = reading.role().unwrap_or(Role::Middle);
        let excuse = match role {
            Role::Error => {
                errors::excuse(&self.known, &self.history, (&from, reading.src, reading.dst), reading.quoted)?
            }
            role => self.history.excuse(&self.known, &from, flow, role)?,
        };
        if excuse.judged.both() == Tri::Yes {
            let rule = if role == Role::Error { "an ICMP error about what was sent" } else { "an answer" };
            sent.ends = None;
            return Ok(Expectation { receiver: excuse.answers, ..Expectation::new(Tri::Yes, rule) });
        }
        let at = match sender {
            Sender::Outside(node) | Sender::Peer { to: node, .. } => (node.clone(), false),
            _ => (self.known.node_of(&from).unwrap_or_default(), true),
        };
        let dialled = self.known.dialled((&at.0, at.1), flow.dst.0, flow.dst.1, flow.protocol);
        if reading.fragment.is_some() && dialled != Dialled::Itself {
            // Here nobody puts it together, so nobody translates it.
            let expected = Expectation::new(Tri::Maybe, "a fragment that would be translated, were it whole");
            return Ok(self.unless_service(reading.dst, expected));
        }
        match (dialled, facts.translated) {
            (Dialled::OneOf(backends), _) if matches!(role, Role::Opens | Role::Either | Role::Middle) => {
                self.dialling(sender, (reading, role), &backends, facts, (excuse, sent))
            }
            // Its source was replaced, and not for leaving the cluster: as an answer through a Service, of which
            // nothing is certain.
            (Dialled::Itself, None) if facts.replaced && self.stays(sender, reading) => {
                Ok(Expectation::new(Tri::Maybe, "translated, and no opening"))
            }
            (Dialled::Itself, None) => {
                let ends = self.ends(sender, &from, reading, reading.dst, facts.replaced);
                let (verdict, rule) = self.untranslated(reading, role, &ends, sent)?;
                let receiver = Some(ends.to.clone());
                sent.ends = Some(ends);
                let expected = Expectation { verdict, rule, reasons: REFUSED, receiver };
                Ok(self.unless_service(reading.dst, expected))
            }
            (Dialled::Nothing, None) => {
                Ok(Expectation::new(Tri::No, "a Service's address without such a port"))
            }
            // An answer that is not certain, or one to a Service that nobody has opened.
            _ => Ok(Expectation::new(Tri::Maybe, "translated, and no opening")),
        }
    }

    /// To a pod or node; from an address that a node does not replace by its own.
    fn stays(&self, sender: &Sender, reading: &Reading) -> bool {
        let gateway = matches!(sender, Sender::Node(_)) && self.known.is_gateway(reading.src);
        self.known.who(reading.dst) != Who::Outside && !gateway
    }

    /// For its own sake, or because of what was sent before.
    fn untranslated(
        &self,
        reading: &Reading,
        role: Role,
        ends: &Ends,
        sent: &mut Sent,
    ) -> Result<(Tri, &'static str)> {
        let port = reading.transport().map_or(0, |t| t.to);
        let own = self.known.judge(ends, reading.shape, port)?;
        sent.own = own;
        if own.both() == Tri::Yes {
            return Ok((Tri::Yes, "policy allows it"));
        }
        let Some(flow) = reading.flow() else { return Ok((own.both(), "policy")) };
        let excuse = match role {
            Role::Error => errors::excuse(
                &self.known,
                &self.history,
                (&ends.from, reading.src, reading.dst),
                reading.quoted,
            )?,
            role => self.history.excuse(&self.known, &ends.from, flow, role)?,
        };
        let resumed = self.resumed(ends, flow, role)?;
        let egress = own.egress.or(excuse.judged.egress).or(resumed.egress);
        let ingress = own.ingress.or(excuse.judged.ingress).or(resumed.ingress);
        let rule = match role {
            Role::Opens | Role::Either => "policy refuses it",
            Role::Error => "an ICMP error that policy refuses",
            _ => "no opening, and policy refuses it",
        };
        Ok((egress.and(ingress), rule))
    }

    /// TCP in mid-stream may be taken up again where policy lets the other end open the connection.
    fn resumed(&self, ends: &Ends, flow: Flow, role: Role) -> Result<Judged> {
        if role != Role::Middle || flow.protocol != 6 {
            return Ok(Excuse::NONE.judged);
        }
        let back = Ends {
            from: ends.to.clone(),
            source: ends.target,
            to: ends.from.clone(),
            target: ends.source,
            unknown: false,
            away: false,
            lawless: false,
        };
        let transport = Transport { protocol: 6, from: flow.dst.1, to: flow.src.1, kind: 2 };
        let back = self.known.judge(&back, Shape::Whole(transport), flow.src.1)?;
        let maybe = |tri: Tri| if tri == Tri::No { Tri::No } else { Tri::Maybe };
        Ok(Judged { egress: maybe(back.ingress), ingress: maybe(back.egress) })
    }

    /// To a Service or host port: the backend decides; but a client that may not reach all of them may find that it
    /// reaches none, where no later hook could tell which was chosen.
    fn dialling(
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
                let egress = own.egress.or(excuse.judged.egress).or(resumed.egress);
                let ingress = own.ingress.or(excuse.judged.ingress).or(resumed.ingress);
                match (egress.and(ingress), every(|j| j.egress)) {
                    (Tri::Yes, Tri::Yes) => Tri::Yes,
                    (verdict, _) => verdict.and(Tri::Maybe),
                }
            }
            // Once chosen, a backend is kept, and a segment that opens nothing is not translated at all: without the
            // choice in sight nothing is certain.
            None if role == Role::Middle || resets(reading) => Tri::Maybe,
            None if all.iter().all(|j| j.both() == Tri::No) => excuse.judged.both(),
            None => every(|j| j.both()),
        };
        let receiver = sent.ends.as_ref().map(|ends| ends.to.clone());
        Ok(Expectation { verdict, rule: "through a Service or host port", reasons: REFUSED, receiver })
    }

    /// A packet that still bears a Service's address where it leaves its node is dropped.
    fn unless_service(&self, dst: IpAddr, expected: Expectation) -> Expectation {
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
    fn ends(&self, sender: &Sender, from: &Who, reading: &Reading, target: IpAddr, replaced: bool) -> Ends {
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

    /// Remembers a packet and who got it as what, if anybody did.
    pub fn learn(&mut self, sent: Sent, arrived: Option<(Who, Option<Flow>)>) {
        let (Some(reading), Some(transport)) = (sent.reading, sent.transport) else { return };
        if let (Some((id, protocol)), true) = (reading.fragment, reading.first) {
            let ends = Flow { src: (reading.src, 0), dst: (reading.dst, 0), protocol };
            self.history.add_first((ends, id), sent.sender.clone(), transport);
        }
        let (Some(flow), Some(role)) = (reading.flow(), reading.role()) else { return };
        let arrived = arrived.and_then(|(who, flow)| Some((who, flow?)));
        let target = arrived.as_ref().map_or(flow.dst, |(_, flow)| flow.dst);
        let ends = sent.ends.unwrap_or_else(|| {
            let to = arrived.as_ref().map_or_else(|| self.known.who(target.0), |(who, _)| who.clone());
            Ends {
                from: sent.from.clone(),
                source: reading.src,
                to,
                target: target.0,
                unknown: false,
                away: false,
                lawless: false,
            }
        });
        self.history.add(Record {
            bypassed: matches!(sent.sender, Sender::Peer { .. }),
            from: sent.from,
            sent: flow,
            role,
            arrived,
            ends,
            transport: Transport { to: target.1, ..transport },
            own: sent.own,
            uncertain: sent.uncertain,
            epochs: self.history.epochs(),
        });
    }
}

/// TCP with RST, be it a SYN otherwise.
fn resets(reading: &Reading) -> bool {
    reading.transport().is_some_and(|t| t.protocol == 6 && t.kind & 0x04 != 0)
}

/// Protocols of IPv6 extension headers, behind which the real one is hidden in a later fragment.
fn hidden(protocol: u8) -> bool {
    [0, 43, 44, 51, 60].contains(&protocol)
}
