//! The engine `kernel`: answers queries by sending the packets that would open the connection, and their answers.
use super::TestRunError;
use super::cluster::Cluster;
use super::craft::{answer, opening};
use super::journey::{End, Entry, Journey, Loss};
use super::walk::{Chances, Frame};
use super::wire::{self, Meaning};
use crate::policy::verdict::Engine as Model;
use crate::watch::queries::{Answer, Direction, Party, Resolved, Verdict};
use ringfence_abi::{Reason, names};
use std::collections::BTreeSet;

/// Ports that clients use: one for each connection tried, round and round.
const CLIENT_PORTS: std::ops::Range<u16> = 20_000..60_000;

/// Answers questions about one cluster by its nodes' programs.
pub struct Engine<'a> {
    cluster: Cluster<'a>,
    /// Says which policies stand behind what the programs decide.
    model: Model,
    next_port: u16,
    /// Ports that are asked about, which no client shall have.
    asked: BTreeSet<u16>,
}

/// What one try came to.
struct Attempt {
    /// Of how many backends one was tried.
    backends: usize,
    /// `None`: connected.
    failed: Option<Failure>,
    reached_target: bool,
}

struct Failure {
    text: String,
    /// The source's egress is what dropped it; of a drop.
    egress: Option<bool>,
}

impl<'a> Engine<'a> {
    /// To be used on a thread of [`super::in_private_namespace`].
    pub fn new(cluster: Cluster<'a>, questions: &[Resolved]) -> Self {
        let model = Model::new(cluster.snapshot().clone(), cluster.cluster_cidrs().to_vec());
        let asked = questions.iter().map(|q| q.port).collect();
        Self { cluster, model, next_port: CLIENT_PORTS.start, asked }
    }

    /// The answer: every backend that the connection could end at must get its first packet, and its answer must come
    /// back.
    ///
    /// # Errors
    /// [`TestRunError`].
    pub fn answer(&mut self, question: &Resolved) -> Result<Answer, TestRunError> {
        let model = self.model.answer(question)?;
        let Some(entry) = self.entry(question) else {
            let reason = Some("neither end is a pod or node of the cluster".to_owned());
            return Ok(Answer { reason, ..model });
        };
        if question.destination.is_none() {
            return Ok(Answer { verdict: Verdict::Deny, ..model });
        }
        let mut attempts = vec![self.attempt(question, &entry, 0)?];
        for backend in 1..attempts[0].backends {
            attempts.push(self.attempt(question, &entry, backend)?);
        }
        let failures = || attempts.iter().filter_map(|a| a.failed.as_ref());
        let denied = |egress: bool| failures().any(|f| f.egress == Some(egress));
        let direction = |verdict: Verdict, of_model: Option<Direction>| {
            let policies = of_model.filter(|d| d.verdict == verdict).map(|d| d.policies).unwrap_or_default();
            Some(Direction { verdict, policies })
        };
        let reached = attempts.iter().any(|a| a.reached_target) || denied(false);
        Ok(Answer {
            verdict: Verdict::from_allowed(failures().next().is_none()),
            egress: direction(Verdict::from_allowed(!denied(true)), model.egress),
            ingress: if reached {
                direction(Verdict::from_allowed(!denied(false)), model.ingress)
            } else {
                None
            },
            reason: failures().next().map(|f| f.text.clone()).or(model.reason),
        })
    }

    /// Where the first packet sets out. What comes from outside comes to the node that it is for, if any.
    fn entry(&self, question: &Resolved) -> Option<Entry> {
        let snapshot = self.cluster.snapshot();
        match (&question.from, &question.to) {
            (Party::Pod(pod), _) => Some(Entry::Pod(pod.clone())),
            (Party::Node(node), _) => Some(Entry::Node(node.clone())),
            (_, Party::Pod(pod)) => snapshot.pods.get(pod)?.node.clone().map(Entry::Outside),
            (_, Party::Node(node)) => Some(Entry::Outside(node.clone())),
            (_, Party::Service(_)) => snapshot.nodes.keys().next().cloned().map(Entry::Outside),
            (_, Party::Outside) => None,
        }
    }

    fn attempt(
        &mut self,
        question: &Resolved,
        entry: &Entry,
        backend: usize,
    ) -> Result<Attempt, TestRunError> {
        let destination = question.destination.unwrap_or(question.source);
        let source = (question.source, self.client_port());
        let sent = opening(source, (destination, question.port), question.protocol);
        let chances = Chances { backend, ..Chances::default() };
        let there = self.cluster.send(entry, Frame::ip(sent.clone()), chances)?;
        let backends = there.backends.unwrap_or(1);
        let failed = |failed, reached_target| Ok(Attempt { backends, failed: Some(failed), reached_target });
        let Some(from) = replier(&there.end) else { return failed(failure(&there, ""), false) };
        let Some(reply) = answer(&there.packet) else { return failed(failure(&there, ""), false) };
        let back = self.cluster.send(&from, Frame::ip(reply), Chances::default())?;
        let expected = |packet: &[u8]| match (wire::meaning(packet), wire::meaning(&sent)) {
            (Meaning::Begins(a) | Meaning::Continues(a), Meaning::Begins(b)) => a == b.reversed(),
            _ => false,
        };
        if !back.arrived() || replier(&back.end).as_ref() != Some(entry) {
            return failed(failure(&back, "the answer: "), true);
        }
        if !expected(&back.packet) {
            let text = "the answer came back with other ends".to_owned();
            return failed(Failure { text, egress: None }, true);
        }
        Ok(Attempt { backends, failed: None, reached_target: true })
    }

    fn client_port(&mut self) -> u16 {
        loop {
            let port = self.next_port;
            self.next_port = if port + 1 == CLIENT_PORTS.end { CLIENT_PORTS.start } else { port + 1 };
            if !self.asked.contains(&port) {
                return port;
            }
        }
    }

    /// The cluster, to go on with.
    pub fn into_cluster(self) -> Cluster<'a> {
        self.cluster
    }

    /// Checks what the programs counted meanwhile.
    ///
    /// # Errors
    /// [`TestRunError::Misbehaved`].
    pub fn settle(&mut self) -> Result<(), TestRunError> {
        self.cluster.settle()
    }
}

/// Who answers what arrived there.
fn replier(end: &End) -> Option<Entry> {
    match end {
        End::Pod(pod) => Some(Entry::Pod(pod.clone())),
        End::Node(node) => Some(Entry::Node(node.clone())),
        End::Outside(node) => Some(Entry::Outside(node.clone())),
        End::Link(_) | End::Dropped { .. } | End::Lost(_) => None,
    }
}

fn failure(journey: &Journey, of: &str) -> Failure {
    match &journey.end {
        End::Dropped { node, hook, reason } => {
            let egress = match *hook {
                names::POD_EGRESS | names::WG_EGRESS | names::UNDERLAY_EGRESS => true,
                _ => *reason == Reason::PolicyEgress,
            };
            let text = format!("{of}dropped by {hook} on {node}: {}", reason.name());
            // An answer's egress is the other end's.
            Failure { text, egress: of.is_empty().then_some(egress) }
        }
        End::Lost(Loss::NoBackend) => {
            Failure { text: format!("{of}no backend that could be used here"), egress: None }
        }
        End::Lost(loss) => Failure { text: format!("{of}lost on the way: {loss:?}"), egress: None },
        other => Failure { text: format!("{of}ended at {other:?}"), egress: None },
    }
}
