//! A policy with its peers as matcher numbers and its ports as sets.
use super::matcher::{Matcher, Matchers};
use super::misread::misread;
use super::mistake::Seeded;
use super::named::Features;
use super::ports::RulePorts;
use crate::model::{NetworkPolicy, Peer, Peers, Rule};
use std::sync::Arc;

/// One side of a policy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// What may reach the pod.
    Ingress,
    /// What the pod may reach.
    Egress,
}

/// One rule.
#[derive(Debug)]
pub(super) struct CompiledRule {
    /// It matches every source or destination.
    pub(super) any: bool,
    /// Else what satisfies one of these.
    pub(super) matchers: Vec<u32>,
    pub(super) ports: Arc<RulePorts>,
}

/// A policy that selects a local pod. It holds its matchers and named ports until [`CompiledPolicy::release`].
#[derive(Debug)]
pub(super) struct CompiledPolicy {
    pub(super) policy: Arc<NetworkPolicy>,
    pub(super) ingress: Option<Vec<CompiledRule>>,
    pub(super) egress: Option<Vec<CompiledRule>>,
}

impl CompiledPolicy {
    pub(super) fn new(
        policy: &Arc<NetworkPolicy>,
        matchers: &mut Matchers,
        features: &mut Features,
        seeded: Seeded,
    ) -> Self {
        let plain = misread(policy, seeded);
        let mut side = |rules: &Option<Vec<Rule>>| {
            let compile = |rule| compile(rule, matchers, seeded);
            rules.as_ref().map(|rules| rules.iter().map(compile).collect::<Vec<_>>())
        };
        let (ingress, egress) = (side(&plain.ingress), side(&plain.egress));
        for rule in egress.iter().flatten() {
            rule.ports.named.iter().for_each(|(protocol, name)| features.acquire(*protocol, name));
        }
        Self { policy: policy.clone(), ingress, egress }
    }

    pub(super) fn rules(&self, direction: Direction) -> Option<&[CompiledRule]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }

    /// Gives up what the policy held.
    pub(super) fn release(&self, matchers: &mut Matchers, features: &mut Features) {
        for rule in self.ingress.iter().chain(&self.egress).flatten() {
            rule.matchers.iter().for_each(|id| matchers.release(*id));
        }
        for rule in self.egress.iter().flatten() {
            rule.ports.named.iter().for_each(|(protocol, name)| features.release(*protocol, name));
        }
    }
}

fn compile(rule: &Rule, matchers: &mut Matchers, seeded: Seeded) -> CompiledRule {
    let ports = Arc::new(RulePorts::new(&rule.ports, seeded));
    let peers = match &rule.peers {
        Peers::Any => return CompiledRule { any: true, matchers: Vec::new(), ports },
        Peers::Only(peers) => peers,
    };
    let mut ids = Vec::new();
    for peer in peers {
        match peer {
            Peer::Pods { namespaces, pods } => {
                ids.push(matchers.acquire(Matcher::Pods(namespaces.clone(), pods.clone())));
            }
            Peer::Block(block) => ids.push(matchers.acquire(Matcher::Block(block.clone()))),
            Peer::Nothing => {}
        }
    }
    CompiledRule { any: false, matchers: ids, ports }
}
