//! The rules, put together.
use super::Expectation;
use super::ends::{Known, Who};
use super::history::{History, Record};
use super::policy::{Ends, Judged, Tri};
use super::source::{self, Sender};
use crate::packets::reading::{Flow, Reading, Transport};
use anyhow::Result;
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
    pub(super) known: Known,
    pub(super) history: History,
}

/// A packet that was judged, to be remembered with what became of it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub(super) sender: Sender,
    pub(super) from: Who,
    pub(super) reading: Option<Reading>,
    pub(super) transport: Option<Transport>,
    pub(super) ends: Option<Ends>,
    pub(super) own: Judged,
    /// Nothing is laid down about it, so nothing follows for certain from its having arrived.
    pub(super) uncertain: bool,
}

/// What policy may count.
pub(super) const REFUSED: &[Reason] = &[
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

    /// Remembers a packet and who got it as what, if anybody did.
    pub fn learn(&mut self, sent: Sent, arrived: Option<(Who, Option<Flow>)>) {
        let (Some(reading), Some(transport)) = (sent.reading, sent.transport) else { return };
        if let (Some((id, protocol)), true) = (reading.fragment, reading.first) {
            let ends = Flow { src: (reading.src, 0), dst: (reading.dst, 0), protocol };
            self.history.add_first((ends, id), sent.sender.clone(), transport);
        }
        let (Some(flow), Some(role)) = (reading.flow(), reading.role()) else { return };
        // A later fragment says nothing of its ends itself, and is not translated.
        let later = reading.fragment.is_some() && !reading.first;
        let arrived = arrived.and_then(|(who, arrived)| Some((who, arrived.or(later.then_some(flow))?)));
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
