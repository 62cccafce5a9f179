//! One random cluster and its packets: what the programs make of each, and what the oracle says.
use super::oracle::{Expectation, Facts, Oracle, Record, Sender, Tri, Who};
use super::reading::Reading;
use super::scenario::{Arrival, Draft, Scenario};
use crate::evaluator::{Generated, Shape, generate};
use anyhow::{Context, Result, anyhow};
use ringfence::desired::Snapshot;
use ringfence::model::ObjectName;
use ringfence::policy::Compiler;
use ringfence::testrun::{Chances, Cluster, End, Entry, Frame, Journey, Loss, sizes};
use ringfence::watch::directory::{Mode, read};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What came of comparing.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By rule: must arrive, must not, not laid down; and of those that must arrive, how many the network lost.
    pub rules: BTreeMap<&'static str, [usize; 4]>,
    /// Where packets ended, by what dropped or got them.
    pub ends: BTreeMap<String, usize>,
    /// Hooks that ran.
    pub hooks: usize,
}

/// A packet that became of otherwise than the oracle says.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// Makes it again.
    pub seed: u64,
    /// Which packet of the seed, from 0.
    pub packet: usize,
    /// Everything there is to say.
    pub report: String,
}

impl Tally {
    /// Packets of which something was laid down, and that the network did not lose.
    pub fn compared(&self) -> usize {
        self.rules.values().map(|[yes, no, _, lost]| yes + no - lost).sum()
    }

    /// Every packet.
    pub fn sent(&self) -> usize {
        self.rules.values().map(|[yes, no, maybe, _]| yes + no + maybe).sum()
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        for (rule, counts) in &other.rules {
            let mine = self.rules.entry(rule).or_default();
            (0..4).for_each(|i| mine[i] += counts[i]);
        }
        other.ends.iter().for_each(|(end, n)| *self.ends.entry(end.clone()).or_default() += n);
        self.hooks += other.hooks;
    }
}

/// The nodes, kept from one random cluster to the next: loading programs takes long.
pub struct Exchange<'a> {
    cluster: Option<Cluster<'a>>,
    compiler: &'a (dyn Fn() -> Compiler + Sync),
}

impl<'a> Exchange<'a> {
    /// To be used on a thread of `ringfence::testrun::in_private_namespace`, with devices for [`IFINDEXES`].
    pub fn new(compiler: &'a (dyn Fn() -> Compiler + Sync)) -> Self {
        Self { cluster: None, compiler }
    }

    /// Sends `packets` packets through the cluster of this seed; stops at the first mismatch.
    ///
    /// # Errors
    /// Where nothing could be compared: the programs do not run, the cluster cannot be read.
    pub fn run(&mut self, seed: u64, packets: usize) -> Result<(Tally, Option<Mismatch>)> {
        let mut generated = generate(seed, &Shape::default());
        let first = snapshot(&generated)?;
        match &mut self.cluster {
            Some(cluster) => cluster.begin(first)?,
            None => {
                let sizes = sizes(&first);
                self.cluster = Some(Cluster::new(first, sizes, self.compiler));
            }
        }
        let cluster = self.cluster.as_mut().context("no cluster")?;
        let mut oracle = Oracle::new(&generated.objects)?;
        let mut scenario = Scenario::new(seed, oracle.known());
        let (mut tally, mut arrivals) = (Tally::default(), Vec::new());
        if oracle.known().cluster.pods.iter().all(|pod| pod.host_network) {
            return Ok((tally, None));
        }
        for number in 0..packets {
            if number > 0 && number % (packets / 4).max(1) == 0 {
                happen(seed, number, &mut generated, cluster, &mut oracle)?;
            }
            let draft = scenario.next(oracle.known(), &arrivals);
            let one = compare(&draft, cluster, &mut oracle, &mut tally, &mut arrivals);
            let wrong = one.with_context(|| format!("seed {seed}, packet {number}: {draft:?}"))?;
            if let Some(wrong) = wrong {
                let mut report = report(seed, number, &generated, &draft, &oracle, &wrong)?;
                // By fresh compilers and without a past: tells what was wrong with either from what is wrong with both.
                cluster.begin(snapshot(&generated)?)?;
                let afresh = send(&draft, cluster)?;
                report = format!("{report}\nthe same, compiled afresh and without a past:\n{afresh}\n");
                return Ok((tally, Some(Mismatch { seed, packet: number, report })));
            }
        }
        cluster.settle()?;
        Ok((tally, None))
    }
}

/// Indexes of the devices that stand for pods' veths.
pub const IFINDEXES: std::ops::Range<u32> = 1000..1032;

/// Objects by way of a file, as the agent reads them.
fn snapshot(generated: &Generated) -> Result<Snapshot> {
    let directory = tempfile::tempdir()?;
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": generated.objects});
    std::fs::write(directory.path().join("cluster.json"), list.to_string())?;
    Ok(read(directory.path(), Mode::Accept).map_err(|e| anyhow!("{e}"))?.snapshot())
}

/// Something changes while connections stand: policies, labels, or the flow table overflows.
fn happen(
    seed: u64,
    number: usize,
    generated: &mut Generated,
    cluster: &mut Cluster<'_>,
    oracle: &mut Oracle,
) -> Result<()> {
    let other = generate(seed ^ (number as u64) << 32, &Shape::default());
    let is = |kind: &'static str| move |o: &&Value| o["kind"] == kind;
    match (seed + number as u64) % 3 {
        0 => {
            cluster.forget_flows()?;
            oracle.flows_forgotten();
            return Ok(());
        }
        1 => {
            generated.objects.retain(|o| o["kind"] != "NetworkPolicy");
            generated.objects.extend(other.objects.iter().filter(is("NetworkPolicy")).cloned());
        }
        _ => {
            let mut labels = other.objects.iter().filter(is("Pod")).map(|o| o["metadata"]["labels"].clone());
            for pod in generated.objects.iter_mut().filter(|o| o["kind"] == "Pod") {
                let Some(new) = labels.next() else { break };
                pod["metadata"]["labels"] = new;
            }
        }
    }
    cluster.change(snapshot(generated)?)?;
    oracle.change(&generated.objects)
}

/// What went wrong with one packet.
struct Wrong {
    what: String,
    expected: Expectation,
    journey: Journey,
}

fn compare(
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

fn send(draft: &Draft, cluster: &mut Cluster<'_>) -> Result<Journey> {
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

fn end_name(end: &End) -> String {
    match end {
        End::Dropped { hook, reason, .. } => format!("{hook}: {}", reason.name()),
        End::Pod(_) => "a pod".to_owned(),
        End::Node(_) => "a node".to_owned(),
        End::Outside(_) => "outside".to_owned(),
        End::Link(_) => "the link".to_owned(),
        End::Lost(loss) => format!("lost: {loss:?}"),
    }
}

fn report(
    seed: u64,
    number: usize,
    generated: &Generated,
    draft: &Draft,
    oracle: &Oracle,
    wrong: &Wrong,
) -> Result<String> {
    let mut text = format!(
        "seed {seed}, packet {number}: {}\n  the oracle: {:?} by the rule \"{}\"\n  sent by {:?}: ethertype {:#06x} {}\n",
        wrong.what,
        wrong.expected.verdict,
        wrong.expected.rule,
        draft.sender,
        draft.ethertype,
        draft.packet.iter().map(|b| format!("{b:02x}")).collect::<String>(),
    );
    writeln!(text, "  read as {:?}", Reading::of(draft.ethertype, &draft.packet))?;
    writeln!(text, "{}", wrong.journey)?;
    let flow =
        Reading::of(draft.ethertype, &draft.packet).and_then(|r| r.quoted.map(|q| q.flow).or(r.flow()));
    let near = |record: &&Record| {
        let flows = [Some(record.sent), record.arrived.as_ref().map(|(_, flow)| *flow)];
        flow.is_some_and(|f| flows.contains(&Some(f)) || flows.contains(&Some(f.reversed())))
    };
    let before: Vec<_> = oracle.history().records().iter().filter(near).collect();
    for record in &before[before.len().saturating_sub(8)..] {
        writeln!(text, "  before: {record:?}")?;
    }
    writeln!(text, "cluster:\n{}", generated.yaml()?)?;
    Ok(text)
}
