//! Packets whose transport header is in them: unfragmented ones, and first fragments.
use super::Expectation;
use super::ends::Who;
use super::errors;
use super::history::Excuse;
use super::policy::{Ends, Judged, Tri};
use super::rules::{Facts, Oracle, REFUSED, Sent};
use super::services::Dialled;
use super::source::Sender;
use crate::packets::reading::{Flow, Reading, Role, Shape, Transport};
use anyhow::Result;

impl Oracle {
    /// What must become of one.
    pub(super) fn whole(
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
    pub(super) fn untranslated(
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
        let rule = match role {
            Role::Opens | Role::Either => "policy refuses it",
            Role::Error => "an ICMP error that policy refuses",
            _ => "no opening, and policy refuses it",
        };
        Ok((own.or(excuse.judged).or(resumed).both(), rule))
    }

    /// TCP in mid-stream may be taken up again where policy lets the other end open the connection.
    pub(super) fn resumed(&self, ends: &Ends, flow: Flow, role: Role) -> Result<Judged> {
        if role != Role::Middle || flow.protocol != 6 {
            return Ok(Excuse::NONE.judged);
        }
        let back = ends.reversed();
        let transport = Transport { protocol: 6, from: flow.dst.1, to: flow.src.1, kind: 2 };
        let back = self.known.judge(&back, Shape::Whole(transport), flow.src.1)?;
        let maybe = |tri: Tri| if tri == Tri::No { Tri::No } else { Tri::Maybe };
        Ok(Judged { egress: maybe(back.ingress), ingress: maybe(back.egress) })
    }
}
