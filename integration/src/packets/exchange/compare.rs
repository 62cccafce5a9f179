//! One packet: what the programs make of it, and whether that is what the oracle says.
use super::tally::{Tally, end_name};
use crate::packets::oracle::{Expectation, Facts, Oracle, Sender, Tri, Who};
use crate::packets::reading::Reading;
use crate::packets::scenario::{Arrival, Draft};
use anyhow::{Context, Result};
use ringfence::model::ObjectName;
use ringfence::testrun::{Chances, Cluster, End, Entry, Frame, Journey, Loss};

/// What went wrong with one packet.
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) expected: Expectation,
    pub(super) journey: Journey,
}

/// Sends a packet and asks the oracle about it; what it has to remember, it learns here.
pub(super) fn compare(
    draft: &Draft,
    cluster: &mut Cluster<'_>,
    oracle: &mut Oracle,
    tally: &mut Tally,
    arrivals: &mut Vec<Arrival>,
) -> Result<Option<Wrong>> {
    let journey = send(draft, cluster)?;
    if std::env::var_os("RINGFENCE_TRACE").is_some() {
        println!("{:?}\n{journey}", draft.sender);
    }
    let sent = Reading::of(draft.ethertype, &draft.packet);
    let seen = Reading::of(draft.ethertype, &journey.packet);
    let replaced = sent.as_ref().zip(seen.as_ref()).is_some_and(|(a, b)| a.src != b.src);
    let facts = Facts { translated: journey.translated, replaced };
    let (expected, memory) = oracle.expect(&draft.sender, draft.ethertype, &draft.packet, facts)?;
    tally.hooks += journey.steps.len();
    *tally.ends.entry(end_name(&journey.end)).or_default() += 1;
    let counts = tally.rules.entry(expected.rule).or_default();
    let lost = matches!(journey.end, End::Lost(_)) && journey.end != End::Lost(Loss::NotIp);
    match expected.verdict {
        Tri::Yes => {
            counts[0] += 1;
            counts[3] += usize::from(lost);
        }
        Tri::No => counts[1] += 1,
        Tri::Maybe => counts[2] += 1,
    }
    let who = receiver(&journey, oracle);
    let wrong = wrong(&expected, &journey, who.as_ref().map(|(who, _)| who))
        .or_else(|| plaintext(&draft.sender, &journey, oracle));
    if let Some(what) = wrong {
        return Ok(Some(Wrong { what, expected, journey }));
    }
    let arrived = who.map(|(who, answers_from)| {
        let (sender, packet) = (draft.sender.clone(), journey.packet.clone());
        if let Some(answers_from) = answers_from {
            let sent = draft.packet.clone();
            let part = seen.as_ref().is_some_and(|reading| reading.fragment.is_some());
            arrivals.push(Arrival { who: who.clone(), answers_from, sender, sent, packet, part });
        }
        (who, seen.and_then(|reading| reading.flow()))
    });
    oracle.learn(memory, arrived);
    Ok(None)
}

pub(super) fn send(draft: &Draft, cluster: &mut Cluster<'_>) -> Result<Journey> {
    let frame = Frame { ethertype: draft.ethertype, packet: draft.packet.clone() };
    let chances = Chances { backend: draft.backend, mark: draft.mark, lose_ifindex: draft.lose_ifindex };
    Ok(cluster.send(&entry(&draft.sender)?, frame, chances)?)
}

/// How a journey contradicts what must be.
fn wrong(expected: &Expectation, journey: &Journey, who: Option<&Who>) -> Option<String> {
    match (&expected.verdict, &journey.end) {
        (Tri::No, End::Lost(Loss::NotIp)) => Some("it passed and must not".to_owned()),
        (Tri::Yes, End::Dropped { .. }) => Some("it was dropped and must arrive".to_owned()),
        (Tri::No, End::Dropped { reason, .. })
            if !expected.reasons.is_empty() && !expected.reasons.contains(reason) =>
        {
            Some(format!("it was dropped as {}, but not for one of {:?}", reason.name(), expected.reasons))
        }
        (Tri::No, _) if journey.arrived() => Some("it arrived and must not".to_owned()),
        (Tri::Yes, End::Pod(_) | End::Node(_) | End::Outside(_)) => match (who, &expected.receiver) {
            (Some(got), Some(meant)) if got != meant => {
                Some(format!("{got:?} got what was meant for {meant:?}"))
            }
            _ => None,
        },
        _ => None,
    }
}

/// P1: a pod's packet to a pod or node that leaves a node by another device than the mesh's.
fn plaintext(sender: &Sender, journey: &Journey, oracle: &Oracle) -> Option<String> {
    let pods = matches!(sender, Sender::Pod(_) | Sender::Peer { .. });
    let leaves = journey.steps.iter().filter(|s| s.hook == "underlay_egress" && s.dropped.is_none());
    for step in leaves {
        let ethertype = if step.packet.first()? >> 4 == 4 { 0x0800 } else { 0x86dd };
        let Some(reading) = Reading::of(ethertype, &step.packet) else { continue };
        let bad = match oracle.known().who(reading.dst) {
            Who::Pod(_) | Who::Nobody(_) => true,
            Who::Node(_) => pods || oracle.known().is_gateway(reading.dst),
            Who::Outside => false,
        };
        if bad {
            return Some(format!("it left {} in the clear, for {}", step.node, reading.dst));
        }
    }
    None
}

/// Who got it, and as whom that somebody would answer.
fn receiver(journey: &Journey, oracle: &Oracle) -> Option<(Who, Option<Sender>)> {
    Some(match &journey.end {
        End::Pod(pod) => {
            let name = format!("{}/{}", pod.namespace, pod.name);
            (Who::Pod(name.clone()), Some(Sender::Pod(name)))
        }
        End::Node(node) => (Who::Node(node.clone()), Some(Sender::Node(node.clone()))),
        End::Outside(node) => (Who::Outside, Some(Sender::Outside(node.clone()))),
        End::Link(_) => {
            let ethertype = if journey.packet.first()? >> 4 == 4 { 0x0800 } else { 0x86dd };
            (oracle.known().who(Reading::of(ethertype, &journey.packet)?.dst), None)
        }
        End::Dropped { .. } | End::Lost(_) => return None,
    })
}

fn entry(sender: &Sender) -> Result<Entry> {
    Ok(match sender.clone() {
        Sender::Pod(name) => {
            let (namespace, name) = name.split_once('/').context("a pod's name without namespace")?;
            Entry::Pod(ObjectName::new(namespace, name))
        }
        Sender::Node(node) => Entry::Node(node),
        Sender::Outside(node) => Entry::Outside(node),
        Sender::Peer { from, to } => Entry::Peer { from, to },
    })
}
