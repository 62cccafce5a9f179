//! Local pods: sandboxes that CNI attached, and the snapshot's pod that each one is.
use super::tables::{LocalEndpoint, LocalView};
use crate::desired::Snapshot;
use crate::model::{ObjectName, Pod};
use ringfence_abi::Addr;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

/// One attached sandbox.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) endpoint: LocalEndpoint,
    /// `None`: everything of it is dropped. It is closing, its pod is not known, or another sandbox has its address.
    pub(super) pod: Option<Arc<Pod>>,
}

/// All of this node.
#[derive(Clone, Debug, Default)]
pub(super) struct Locals {
    pub(super) by_ifindex: BTreeMap<u32, Bound>,
    /// Whose an address is: of several sandboxes the newest that is not closing.
    pub(super) by_address: HashMap<Addr, u32>,
    /// Pods that have a sandbox, and so no other addresses than its.
    pub(super) pods: BTreeMap<ObjectName, Arc<Pod>>,
}

impl Locals {
    pub(super) fn new(snapshot: &Snapshot, local: &LocalView) -> Self {
        let mut out = Self::default();
        let mut endpoints: Vec<&LocalEndpoint> = local.endpoints.iter().collect();
        // The last one to be put in wins.
        endpoints.sort_by_key(|e| (!e.closing, e.id));
        for endpoint in &endpoints {
            for address in &endpoint.addresses {
                out.by_address.insert((*address).into(), endpoint.ifindex);
            }
            let pod = pod_of(endpoint, snapshot, local).cloned();
            out.by_ifindex.insert(endpoint.ifindex, Bound { endpoint: (*endpoint).clone(), pod });
        }
        for (ifindex, bound) in &mut out.by_ifindex {
            let ours = |a: &IpAddr| out.by_address.get(&(*a).into()) == Some(ifindex);
            if !bound.endpoint.addresses.iter().all(ours) {
                bound.pod = None;
            }
        }
        let bound = out.by_ifindex.values().filter_map(|b| b.pod.as_ref());
        out.pods = bound.map(|pod| (pod.name.clone(), pod.clone())).collect();
        out
    }

    /// Addresses about which the two may say different things.
    pub(super) fn differing(&self, other: &Self) -> HashSet<Addr> {
        let mut out = HashSet::new();
        for (a, b) in [(self, other), (other, self)] {
            for (ifindex, bound) in &a.by_ifindex {
                if !b.by_ifindex.get(ifindex).is_some_and(|o| bound.same(o)) {
                    let pod = bound.pod.iter().flat_map(|pod| &pod.addresses);
                    out.extend(bound.endpoint.addresses.iter().chain(pod).map(|a| Addr::from(*a)));
                }
            }
        }
        out
    }
}

impl Bound {
    fn same(&self, other: &Self) -> bool {
        let pods = match (&self.pod, &other.pod) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        pods && self.endpoint == other.endpoint
    }
}

fn pod_of<'a>(endpoint: &LocalEndpoint, snapshot: &'a Snapshot, local: &LocalView) -> Option<&'a Arc<Pod>> {
    let pod = snapshot.pods.get(&endpoint.pod)?;
    let same = endpoint.uid.as_ref().is_none_or(|uid| *uid == pod.uid);
    let here = pod.node.as_ref() == Some(&local.node) && !pod.host_network;
    (same && here && !endpoint.closing).then_some(pod)
}
