//! Nodes compiled when first asked about, and the way of a connection through them.
use super::VerdictError;
use super::directory::Directory;
use super::judge::{NodeModel, Seen};
use super::legs::{Leg, Translated, legs};
use crate::desired::Snapshot;
use crate::policy::compiler::Compiler;
use crate::policy::gateway;
#[cfg(feature = "seeded-mistakes")]
use crate::policy::offline::cluster_cidrs;
use crate::watch::queries::{Answer, Direction, Party, Resolved, Verdict};
use ipnetwork::IpNetwork;
use std::collections::HashMap;
use std::net::IpAddr;

/// Answers questions about one snapshot.
#[derive(Debug)]
pub struct Engine {
    directory: Directory,
    cluster_pod_cidrs: Vec<IpNetwork>,
    nodes: HashMap<String, NodeModel>,
    #[cfg(feature = "seeded-mistakes")]
    mistake: Option<crate::policy::Mistake>,
}

impl Engine {
    /// `cluster_pod_cidrs`: pod CIDRs of the cluster beside those of its nodes.
    pub fn new(snapshot: Snapshot, cluster_pod_cidrs: Vec<IpNetwork>) -> Self {
        Self {
            directory: Directory::new(snapshot),
            cluster_pod_cidrs,
            nodes: HashMap::new(),
            #[cfg(feature = "seeded-mistakes")]
            mistake: None,
        }
    }

    /// An engine whose compilers make this mistake.
    #[cfg(feature = "seeded-mistakes")]
    pub fn with_mistake(snapshot: Snapshot, mistake: Option<crate::policy::Mistake>) -> Self {
        let cidrs = cluster_cidrs(&snapshot);
        Self { mistake, ..Self::new(snapshot, cidrs) }
    }

    /// The answer; nodes are compiled as they are met and kept.
    ///
    /// # Errors
    /// If an end does not exist.
    pub fn answer(&mut self, question: &Resolved) -> Result<Answer, VerdictError> {
        match &question.from {
            Party::Service(name) => return Err(VerdictError::FromService(name.clone())),
            Party::Outside => {}
            from => _ = self.node_of(from)?,
        }
        let legs = match legs(&self.directory, question) {
            Ok(legs) => legs,
            Err(reason) => return Ok(nothing_answers(reason)),
        };
        let (mut ingress, mut egress) = (Direction::open(), Direction::open());
        if self.nobody(&question.from, question.source) {
            return Ok(nothing_answers("no pod has this source address, though it is one for pods"));
        }
        if legs.iter().any(|leg| self.nobody(&leg.to, leg.target.0)) {
            return Ok(nothing_answers("no pod has this address, though it is one for pods"));
        }
        for leg in &legs {
            egress = both(egress, self.egress(question, leg)?);
            ingress = both(ingress, self.ingress(question, leg)?);
        }
        let allowed = [&ingress, &egress].iter().all(|d| d.verdict == Verdict::Allow);
        let reason = legs.iter().any(|l| l.masqueraded).then(|| "masqueraded on the way".to_owned());
        let verdict = Verdict::from_allowed(allowed);
        Ok(Answer { verdict, egress: Some(egress), ingress: Some(ingress), reason })
    }

    /// The source's node: `pod_egress`, then the later hook that sees the real destination.
    fn egress(&mut self, question: &Resolved, leg: &Leg) -> Result<Direction, VerdictError> {
        if !matches!(question.from, Party::Pod(_)) {
            return Ok(Direction::open());
        }
        let name = self.node_of(&question.from)?;
        let node = self.node(&name);
        let protocol = question.protocol;
        let (source, dialled) = (question.source, (protocol, leg.dialled.1));
        let real = || node.egress(source, leg.target.0, (protocol, leg.target.1));
        let as_dialled = || node.egress(source, leg.dialled.0, dialled);
        let service = || node.service(source, leg.dialled.0, dialled, leg.target);
        Ok(match leg.translated {
            Translated::No => real(),
            Translated::Here if !node.knows_service(leg.dialled.0, dialled) => as_dialled(),
            Translated::Here => service().map_or_else(real, |first| both(first, real())),
            Translated::There => service().unwrap_or_else(as_dialled),
        })
    }

    /// The target's node.
    fn ingress(&mut self, question: &Resolved, leg: &Leg) -> Result<Direction, VerdictError> {
        if !matches!(leg.to, Party::Pod(_)) {
            return Ok(Direction::open());
        }
        let name = self.node_of(&leg.to)?;
        let seen = match &question.from {
            _ if leg.masqueraded => Seen::Transit { ipv6: leg.target.0.is_ipv6() },
            Party::Node(node) if *node == name => Seen::ThisNode,
            _ => Seen::At(question.source),
        };
        Ok(self.node(&name).ingress(leg.target.0, seen, (question.protocol, leg.target.1)))
    }

    /// Whether an address is one for pods that no pod has. It stands for nobody: packets to it are dropped, and packets
    /// from it too, wherever they come from.
    fn nobody(&self, party: &Party, address: IpAddr) -> bool {
        let nodes = || self.directory.snapshot.nodes.values().flat_map(|node| &node.pod_cidrs);
        let for_pods = || nodes().chain(&self.cluster_pod_cidrs).any(|cidr| cidr.contains(address));
        *party == Party::Outside && for_pods() && !nodes().any(|cidr| gateway(cidr) == Some(address))
    }

    fn node_of(&self, party: &Party) -> Result<String, VerdictError> {
        match (self.directory.node_of(party), party) {
            (Some(node), _) => Ok(node.to_owned()),
            (None, Party::Pod(pod)) if !self.directory.snapshot.pods.contains_key(pod) => {
                Err(VerdictError::NoPod(pod.clone()))
            }
            (None, Party::Pod(pod)) => Err(VerdictError::Unscheduled(pod.clone())),
            (None, other) => Err(VerdictError::NoNode(format!("{other:?}"))),
        }
    }

    fn node(&mut self, name: &str) -> &NodeModel {
        #[cfg(feature = "seeded-mistakes")]
        let compiler = || Compiler::with_mistake(self.mistake);
        #[cfg(not(feature = "seeded-mistakes"))]
        let compiler = Compiler::default;
        let (snapshot, cidrs) = (&self.directory.snapshot, &self.cluster_pod_cidrs);
        self.nodes.entry(name.to_owned()).or_insert_with(|| NodeModel::new(compiler(), snapshot, name, cidrs))
    }
}

fn nothing_answers(reason: &str) -> Answer {
    let (egress, ingress) = (Some(Direction::open()), Some(Direction::open()));
    Answer { verdict: Verdict::Deny, egress, ingress, reason: Some(reason.to_owned()) }
}

/// Both must allow. The policies that decided against it, else all that decided for it.
fn both(mut a: Direction, b: Direction) -> Direction {
    if a.verdict != b.verdict {
        return if a.verdict == Verdict::Deny { a } else { b };
    }
    a.policies.extend(b.policies);
    a.policies.sort();
    a.policies.dedup();
    a
}
