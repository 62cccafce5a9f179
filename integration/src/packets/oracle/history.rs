//! What was sent before, and what it excuses.
use super::ends::{Known, Who};
use super::policy::{Ends, Judged, Tri};
use super::source::Sender;
use crate::packets::reading::{Flow, Role, Shape, Transport};
use anyhow::Result;
use std::collections::HashMap;

/// One whole packet that was sent.
#[derive(Clone, Debug)]
pub struct Record {
    /// Who sent it.
    pub from: Who,
    /// As it was sent.
    pub sent: Flow,
    /// What it does to a connection.
    pub role: Role,
    /// It was put onto the mesh past the hooks of its sender's node, which knows nothing of it.
    pub bypassed: bool,
    /// Who got it, and as what.
    pub arrived: Option<(Who, Flow)>,
    /// Real ends.
    pub ends: Ends,
    /// Its transport header as it arrived, or as it was sent.
    pub transport: Transport,
    /// What policy said of it for its own sake when it was sent.
    pub own: Judged,
    /// Nothing was laid down about it.
    pub uncertain: bool,
    /// How often policies had changed, and flows had been forgotten.
    pub epochs: [u32; 2],
}

/// The first part of a fragmented datagram.
#[derive(Clone, Debug)]
pub struct First {
    /// Where it set out.
    pub sender: Sender,
    /// What the later ones take from it.
    pub transport: Transport,
    /// How often policies had changed.
    pub epoch: u32,
}

/// Everything that was sent in one cluster.
#[derive(Clone, Debug, Default)]
pub struct History {
    records: Vec<Record>,
    /// By source, destination, identification and protocol; several if a number was used again.
    firsts: HashMap<(Flow, u32), Vec<First>>,
    epochs: [u32; 2],
}

/// What earlier packets excuse of one that policy refuses for its own sake.
#[derive(Clone, Debug)]
pub struct Excuse {
    /// In each direction.
    pub judged: Judged,
    /// Whom an answer is for.
    pub answers: Option<Who>,
}

impl Excuse {
    /// None.
    pub const NONE: Self = Self { judged: Judged { egress: Tri::No, ingress: Tri::No }, answers: None };
}

impl History {
    /// Policies have changed.
    pub fn policies_changed(&mut self) {
        self.epochs[0] += 1;
    }

    /// All flows have been forgotten.
    pub fn flows_forgotten(&mut self) {
        self.epochs[1] += 1;
    }

    /// Now.
    pub fn epochs(&self) -> [u32; 2] {
        self.epochs
    }

    /// Everything, in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Adds what was sent.
    pub fn add(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Adds the first part of a fragmented datagram.
    pub fn add_first(&mut self, key: (Flow, u32), sender: Sender, transport: Transport) {
        let first = First { sender, transport, epoch: self.epochs[0] };
        self.firsts.entry(key).or_default().push(first);
    }

    /// The first parts that a later one may belong to.
    pub fn firsts(&self, key: (Flow, u32)) -> &[First] {
        self.firsts.get(&key).map_or(&[], Vec::as_slice)
    }

    /// What excuses `who` sending this: a packet of the other end which it answers.
    pub fn excuse(&self, known: &Known, who: &Who, sent: Flow, role: Role) -> Result<Excuse> {
        let mut best = Excuse::NONE;
        if matches!(role, Role::Opens | Role::Error) {
            return Ok(best);
        }
        for (at, record) in self.records.iter().enumerate().rev() {
            let got = record.arrived.as_ref().filter(|(to, flow)| to == who && *flow == sent.reversed());
            let opens = !matches!(record.role, Role::Answers | Role::Error) && plausible(record, role);
            if got.is_none() || !opens {
                continue;
            }
            let now = self.again(known, record)?;
            // Each node keeps the flow while its own pod may take part; one that has both asks both.
            let together =
                known.node_of(&record.from).is_some() && known.node_of(&record.from) == known.node_of(who);
            let (sends, gets) = if together { (now.both(), now.both()) } else { (now.ingress, now.egress) };
            if sends == Tri::No && gets == Tri::No {
                continue;
            }
            let certain = record.own.both() == Tri::Yes
                && !self.rivalled(at, who, sent)
                && !self.just_found(record)
                && (self.unforgotten(record) || self.shaken(who, sent, at, role));
            let tri = |allowed: Tri| if certain { allowed } else { allowed.and(Tri::Maybe) };
            let ingress = if record.bypassed { Tri::No } else { tri(gets) };
            best.judged.egress = best.judged.egress.or(tri(sends));
            best.judged.ingress = best.judged.ingress.or(ingress);
            best.answers = Some(record.from.clone());
            if best.judged.both() == Tri::Yes {
                return Ok(best);
            }
        }
        if best.judged.ingress == Tri::No && self.unanswered(known, sent)? {
            best.judged.ingress = Tri::Maybe;
        }
        Ok(best)
    }

    /// What policy says of an earlier packet today.
    pub fn again(&self, known: &Known, record: &Record) -> Result<Judged> {
        if let Some(judged) = parted(known, record) {
            return Ok(judged);
        }
        let judged = known.judge(&record.ends, Shape::Whole(record.transport), record.transport.to)?;
        Ok(match record.uncertain {
            true => Judged { egress: Tri::Maybe, ingress: Tri::Maybe },
            false => judged,
        })
    }

    /// Nothing has happened since that a flow does not live through for certain.
    fn unforgotten(&self, record: &Record) -> bool {
        record.epochs == self.epochs && matches!(record.role, Role::Opens | Role::Either)
    }

    /// A flow that was just found is not looked for again, so the next datagram need not make it anew if it was forgotten
    /// since (docs/limits.md).
    pub fn just_found(&self, record: &Record) -> bool {
        let earlier = |r: &Record| r.epochs[0] == record.epochs[0] && r.epochs[1] < record.epochs[1];
        let same = |r: &Record| r.from == record.from && r.arrived == record.arrived && r.arrived.is_some();
        record.transport.protocol == 17 && self.records.iter().any(|r| earlier(r) && same(r))
    }

    /// TCP whose handshake was seen is taken up again in mid-stream, where its ends bear their own addresses and used
    /// these ports in no other role.
    fn shaken(&self, who: &Who, sent: Flow, at: usize, role: Role) -> bool {
        let opening = &self.records[at];
        let own =
            |record: &Record, of: Flow| record.sent == of && record.arrived.iter().any(|(_, f)| *f == of);
        let handshake = opening.role == Role::Opens
            && own(opening, sent.reversed())
            && self.records[at..]
                .iter()
                .any(|r| r.from == *who && r.role == Role::Answers && own(r, sent) && r.arrived.is_some());
        // By port alone: in which role a pod used one is kept, not with whom.
        let used = |r: &Record, by: &Who, port: u16, role: Role| {
            r.from == *by && r.role == role && r.sent.src.1 == port
        };
        let confused = self.records.iter().any(|r| {
            used(r, &opening.from, sent.dst.1, Role::Answers) || used(r, who, sent.src.1, Role::Opens)
        });
        sent.protocol == 6 && role == Role::Middle && handshake && !confused
    }

    /// `who` itself has opened this connection since, the other way round.
    fn rivalled(&self, at: usize, who: &Who, sent: Flow) -> bool {
        let opens = |r: &Record| r.from == *who && r.sent == sent && r.role == Role::Opens;
        self.records[at..].iter().any(opens)
    }

    /// The receiver has sent something to which this would be the answer, but it did not arrive.
    fn unanswered(&self, known: &Known, sent: Flow) -> Result<bool> {
        for record in self.records.iter().filter(|r| r.sent == sent.reversed() && !r.bypassed) {
            if self.again(known, record)?.egress != Tri::No {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What is left of a connection whose address at one end has gone to a new pod: nothing on the node of that end. Another
/// node, to which it is but an address, asks policy about whoever is there now.
fn parted(known: &Known, record: &Record) -> Option<Judged> {
    let gone = |who: &Who| matches!(who, Who::Pod(name) if known.pod(name).is_none());
    let (from, to) = (gone(&record.from), gone(&record.ends.to));
    if !from && !to {
        return None;
    }
    let at = |address| known.node_of(&known.who(address));
    let together = at(record.sent.src.0) == at(record.ends.target);
    let left = |gone: bool| if gone || together { Tri::No } else { Tri::Maybe };
    Some(Judged { egress: left(from), ingress: left(to) })
}

/// Whether a packet of this role can be the answer to one.
fn plausible(asked: &Record, role: Role) -> bool {
    match asked.transport.protocol {
        6 | 132 => matches!(role, Role::Answers | Role::Middle),
        1 | 58 if is_echo(asked) => role == Role::Answers,
        _ => role == Role::Either,
    }
}

fn is_echo(record: &Record) -> bool {
    let v6 = record.sent.src.0.is_ipv6();
    matches!((v6, record.transport.protocol, record.transport.kind), (false, 1, 8) | (true, 58, 128))
}
