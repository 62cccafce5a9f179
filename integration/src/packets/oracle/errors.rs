//! ICMP errors: they pass if what they quote was allowed.
use super::ends::{Known, Who};
use super::history::{Excuse, History, Record};
use super::policy::{Ends, Judged, Tri};
use crate::evaluator::{Direction, isolated};
use crate::packets::reading::{Quoted, Role, Shape, Transport};
use anyhow::Result;
use std::net::IpAddr;

/// What excuses an ICMP error of `who` to `dst` that quotes `quoted`.
pub(super) fn excuse(
    known: &Known,
    history: &History,
    (who, src, dst): (&Who, IpAddr, IpAddr),
    quoted: Option<Quoted>,
) -> Result<Excuse> {
    // Only who sent the quoted packet is told, and a pod speaks only of packets to itself.
    let Some(Quoted { flow: quoted, kind }) = quoted.filter(|q| q.flow.src.0 == dst) else {
        return Ok(Excuse::NONE);
    };
    if matches!(who, Who::Pod(_)) && quoted.dst.0 != src {
        return Ok(Excuse::NONE);
    }
    let mut best = Excuse::NONE;
    for record in history.records().iter().rev() {
        let got = record.arrived.as_ref().filter(|(to, flow)| to == who && *flow == quoted);
        let other_kind = matches!(quoted.protocol, 1 | 58) && record.transport.kind != kind;
        if got.is_none() || record.role == Role::Error || other_kind {
            continue;
        }
        let now = history.again(known, record)?;
        let certain = now.both() == Tri::Yes
            && record.own.both() == Tri::Yes
            && !record.bypassed
            && !history.just_found(record)
            && record.epochs == history.epochs()
            && matches!(record.role, Role::Opens | Role::Either);
        if certain {
            let egress = if told(known, record)? { Tri::Yes } else { Tri::Maybe };
            let judged = Judged { egress, ingress: Tri::Yes };
            return Ok(Excuse { judged, answers: Some(record.from.clone()) });
        }
        // What it quotes was an answer itself, or is not allowed for its own sake any more.
        let judged = Judged { egress: Tri::Maybe, ingress: Tri::Maybe };
        best = Excuse { judged, answers: Some(record.from.clone()) };
    }
    if best.answers.is_some() {
        return Ok(best);
    }
    // Never sent, as far as is known. Its receiver may have been allowed to send it, and the sender to get it.
    let transport = Transport { protocol: quoted.protocol, from: quoted.src.1, to: quoted.dst.1, kind };
    let from = known.who(dst);
    let ends = Ends {
        from,
        source: dst,
        to: known.who(quoted.dst.0),
        target: quoted.dst.0,
        unknown: false,
        away: false,
        lawless: false,
    };
    let judged = known.judge(&ends, Shape::Whole(transport), quoted.dst.1)?;
    let maybe = |tri: Tri| if tri == Tri::No { Tri::No } else { Tri::Maybe };
    best.judged = Judged { egress: maybe(judged.ingress), ingress: maybe(judged.egress) };
    // A flow between them in either direction will do.
    for record in history.records().iter().filter(|r| [quoted, quoted.reversed()].contains(&r.sent)) {
        if history.again(known, record)?.both() != Tri::No {
            best.judged = Judged { egress: Tri::Maybe, ingress: Tri::Maybe };
        }
    }
    Ok(best)
}

/// Whether a pod that got the packet may speak of it for certain: its ingress policy names the sender, or a flow is kept
/// because it could not answer otherwise, or it may answer anyway.
fn told(known: &Known, record: &Record) -> Result<bool> {
    let ends = &record.ends;
    // What a pod sends itself is never judged, so of what reached it under a Service's address nobody has kept anything.
    let renamed = record.arrived.as_ref().is_some_and(|(_, flow)| flow.src.0 != record.sent.src.0);
    if ends.from == ends.to && renamed {
        return Ok(false);
    }
    let back = ends.reversed();
    let t = record.transport;
    let answer = Shape::Whole(Transport { from: t.to, to: t.from, ..t });
    if known.judge(&back, answer, t.from)?.egress != Tri::Maybe {
        return Ok(true);
    }
    match &ends.to {
        Who::Pod(name) => match known.pod(name) {
            Some(pod) => isolated(&known.cluster, pod, Direction::Ingress),
            None => Ok(false),
        },
        _ => Ok(true),
    }
}
