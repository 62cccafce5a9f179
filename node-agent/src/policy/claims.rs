//! Which pods of the snapshot say that an address is theirs.
use super::nodes::NodeIndex;
use crate::model::{Pod, Problem};
use ringfence_abi::Addr;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Claims by address. Several pods may claim one: the old one is not gone from the API yet.
#[derive(Debug, Default)]
pub(super) struct Claims {
    first: HashMap<Addr, Arc<Pod>>,
    others: HashMap<Addr, Vec<Arc<Pod>>>,
}

/// The addresses that count as the pod's: those inside its node's pod CIDRs.
pub(super) fn addresses<'a>(pod: &'a Pod, nodes: &'a NodeIndex) -> impl Iterator<Item = IpAddr> + 'a {
    let node = pod.node.as_deref().filter(|_| !pod.host_network);
    let all = node.map_or(&[][..], |_| pod.addresses.as_slice());
    all.iter().copied().filter(move |a| node.is_some_and(|n| nodes.is_of(n, *a)))
}

/// What is wrong with the pod's addresses.
pub(super) fn problem(pod: &Pod, nodes: &NodeIndex) -> Option<Problem> {
    let node = pod.node.as_deref().filter(|_| !pod.host_network)?;
    let outside = pod.addresses.iter().find(|a| !nodes.is_of(node, **a))?;
    Some(Problem {
        source: "policy".to_owned(),
        kind: "Pod".to_owned(),
        object: pod.name.clone(),
        field: "status.podIPs".to_owned(),
        message: format!(
            "{outside} lies in no pod CIDR of node {node}, so it is not taken for the pod's: no podSelector matches it"
        ),
    })
}

impl Claims {
    pub(super) fn add(&mut self, address: IpAddr, pod: &Arc<Pod>) {
        match self.first.entry(address.into()) {
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(pod.clone());
            }
            std::collections::hash_map::Entry::Occupied(_) => {
                self.others.entry(address.into()).or_default().push(pod.clone());
            }
        }
    }

    /// Takes back this pod's claim, if it has one.
    pub(super) fn remove(&mut self, address: IpAddr, pod: &Arc<Pod>) {
        let address: Addr = address.into();
        // By name: the object that claimed may be an older one that was the same in every field.
        let same = |claim: &Arc<Pod>| claim.name == pod.name;
        let mut rest = self.others.remove(&address).unwrap_or_default();
        if self.first.get(&address).is_some_and(same) {
            self.first.remove(&address);
            if let Some(next) = rest.pop() {
                self.first.insert(address, next);
            }
        } else {
            rest.retain(|claim| !same(claim));
        }
        if !rest.is_empty() {
            self.others.insert(address, rest);
        }
    }

    /// Everyone who claims the address.
    pub(super) fn of(&self, address: Addr) -> impl Iterator<Item = &Arc<Pod>> {
        self.first.get(&address).into_iter().chain(self.others.get(&address).into_iter().flatten())
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = Addr> {
        self.first.keys().copied()
    }

    /// Addresses with several claims.
    pub(super) fn contested(&self) -> impl Iterator<Item = Addr> {
        self.others.keys().copied()
    }

    pub(super) fn clear(&mut self) {
        self.first.clear();
        self.others.clear();
    }
}
