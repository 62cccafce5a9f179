//! Nodes compiled when first asked about, and the way of a connection through them.
use super::VerdictError;
use super::judge::{NodeModel, Seen};
use super::legs::{Leg, Source, Translated, legs};
use crate::desired::Snapshot;
use crate::model::ObjectName;
use crate::policy::compiler::Compiler;
use crate::policy::question::{Answer, Party, Question, Side};
use ipnetwork::IpNetwork;
use std::collections::HashMap;
use std::net::IpAddr;

/// Answers questions about one snapshot.
#[derive(Debug)]
pub struct Engine {
    snapshot: Snapshot,
    cluster_pod_cidrs: Vec<IpNetwork>,
    nodes: HashMap<String, NodeModel>,
    #[cfg(feature = "seeded-mistakes")]
    mistake: Option<crate::policy::Mistake>,
}

impl Engine {
    /// `cluster_pod_cidrs`: pod CIDRs of the cluster beside those of its nodes.
    pub fn new(snapshot: Snapshot, cluster_pod_cidrs: Vec<IpNetwork>) -> Self {
        Self {
            snapshot,
            cluster_pod_cidrs,
            nodes: HashMap::new(),
            #[cfg(feature = "seeded-mistakes")]
            mistake: None,
        }
    }

    /// An engine whose compilers make this mistake.
    #[cfg(feature = "seeded-mistakes")]
    pub fn with_mistake(snapshot: Snapshot, mistake: Option<crate::policy::Mistake>) -> Self {
        Self { mistake, ..Self::new(snapshot, Vec::new()) }
    }

    /// The answer; nodes are compiled as they are met and kept.
    ///
    /// # Errors
    /// If an end does not exist.
    pub fn answer(&mut self, question: &Question) -> Result<Answer, VerdictError> {
        let (address, node) = match &question.from {
            Party::Pod(name, address) => (*address, Some(self.node_of(name)?)),
            Party::Node(name, address) => {
                let node = self.snapshot.nodes.get(name).ok_or_else(|| VerdictError::NoNode(name.clone()))?;
                (*address, Some(node.name.clone()))
            }
            Party::Outside(address) => (*address, None),
            Party::Service(name) => return Err(VerdictError::FromService(name.clone())),
        };
        let source = Source { address, node: node.as_deref() };
        let legs = legs(&self.snapshot, question, source)?;
        if legs.is_empty() {
            return Ok(Answer::new(Side::closed(), Side::open()));
        }
        let (mut ingress, mut egress) = (Side::open(), Side::open());
        for leg in &legs {
            egress = egress.and(self.egress(question, source, leg));
            ingress = ingress.and(self.ingress(question, source, leg)?);
        }
        Ok(Answer::new(ingress, egress))
    }

    fn egress(&mut self, question: &Question, source: Source<'_>, leg: &Leg) -> Side {
        let (Party::Pod(..), Some(node), Some(target)) = (&question.from, source.node, leg.to.address())
        else {
            return Side::open();
        };
        let node = self.node(node);
        let protocol = question.protocol;
        let dialled = (protocol, leg.dialled.1);
        let real = || node.egress(source.address, target, (protocol, leg.port));
        let service = || node.service(source.address, leg.dialled.0, dialled, (target, leg.port));
        match leg.translated {
            Translated::No => real(),
            Translated::Here if !node.knows_service(leg.dialled.0, dialled) => {
                node.egress(source.address, leg.dialled.0, dialled)
            }
            Translated::Here => service().map_or_else(real, |first| first.and(real())),
            Translated::There => {
                service().unwrap_or_else(|| node.egress(source.address, leg.dialled.0, dialled))
            }
        }
    }

    fn ingress(&mut self, question: &Question, source: Source<'_>, leg: &Leg) -> Result<Side, VerdictError> {
        let Party::Pod(name, target) = &leg.to else { return Ok(Side::open()) };
        let node = self.node_of(name)?;
        let seen = match (&question.from, leg.masqueraded) {
            (_, true) => Seen::Transit { ipv6: target.is_ipv6() },
            (Party::Node(..), false) if source.node == Some(&node) => Seen::ThisNode,
            (_, false) => Seen::At(source.address),
        };
        Ok(self.node(&node).ingress(*target, seen, (question.protocol, leg.port)))
    }

    fn node_of(&self, pod: &ObjectName) -> Result<String, VerdictError> {
        let found = self.snapshot.pods.get(pod).ok_or_else(|| VerdictError::NoPod(pod.clone()))?;
        found.node.clone().ok_or_else(|| VerdictError::Unscheduled(pod.clone()))
    }

    fn node(&mut self, name: &str) -> &NodeModel {
        #[cfg(feature = "seeded-mistakes")]
        let compiler = || Compiler::with_mistake(self.mistake);
        #[cfg(not(feature = "seeded-mistakes"))]
        let compiler = Compiler::default;
        let (snapshot, cidrs) = (&self.snapshot, &self.cluster_pod_cidrs);
        self.nodes.entry(name.to_owned()).or_insert_with(|| NodeModel::new(compiler(), snapshot, name, cidrs))
    }

    /// Who has the address, as questions name ends: a pod, a node, else somebody outside.
    pub fn who(&self, address: IpAddr) -> Party {
        super::legs::who(&self.snapshot, address)
    }
}
