//! Who has an address, in the words of the manifests.
use crate::evaluator::{Cidr, Cluster, Family, Pod};
use anyhow::{Context, Result};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One end of a packet's way.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Who {
    /// `namespace/name` of a pod with addresses of its own.
    Pod(String),
    /// A node: its addresses, and the gateways of its pod CIDRs.
    Node(String),
    /// An address of a pod CIDR of this node that no pod has.
    Nobody(String),
    /// Anybody else.
    Outside,
}

/// The cluster as the oracle knows it: the evaluator's, and which addresses the nodes' pod CIDRs hold.
#[derive(Clone, Debug)]
pub struct Known {
    /// Pods, nodes, Services, policies.
    pub cluster: Cluster,
    /// Pod CIDRs with their first address and their node.
    ranges: Vec<(Cidr, IpAddr, String)>,
}

impl Known {
    /// Reads the objects.
    pub fn new(objects: &[Value]) -> Result<Self> {
        let cluster = crate::evaluator::read_cluster(objects)?;
        let mut ranges = Vec::new();
        for node in objects.iter().filter(|o| o["kind"] == "Node") {
            let name = node["metadata"]["name"].as_str().context("a Node without name")?;
            for cidr in node["spec"]["podCIDRs"].as_array().into_iter().flatten() {
                let text = cidr.as_str().context("a pod CIDR that is no text")?;
                let first = text.split('/').next().unwrap_or_default().parse()?;
                ranges.push((Cidr::parse(text)?, first, name.to_owned()));
            }
        }
        Ok(Self { cluster, ranges })
    }

    /// Whose address it is.
    pub fn who(&self, address: IpAddr) -> Who {
        if let Some(pod) = self.cluster.pod_at(address) {
            return Who::Pod(pod.full_name());
        }
        if let Some(node) = self.cluster.node_at(address) {
            return Who::Node(node.name.clone());
        }
        match self.ranges.iter().find(|(cidr, _, _)| cidr.contains(address)) {
            Some((_, first, node)) if following(*first) == address => Who::Node(node.clone()),
            Some((_, _, node)) => Who::Nobody(node.clone()),
            None => Who::Outside,
        }
    }

    /// Whether it is the gateway of a pod CIDR.
    pub fn is_gateway(&self, address: IpAddr) -> bool {
        self.ranges.iter().any(|(_, first, _)| following(*first) == address)
    }

    /// The gateway of a node's pod CIDR.
    pub fn gateway(&self, node: &str, family: Family) -> Option<IpAddr> {
        let of = |(_, first, owner): &&(Cidr, IpAddr, String)| owner == node && Family::of(*first) == family;
        self.ranges.iter().find(of).map(|(_, first, _)| following(*first))
    }

    /// A pod by its full name.
    pub fn pod(&self, full_name: &str) -> Option<&Pod> {
        let (namespace, name) = full_name.split_once('/')?;
        self.cluster.pod(namespace, name)
    }

    /// The node that somebody is or is on.
    pub fn node_of(&self, who: &Who) -> Option<String> {
        match who {
            Who::Pod(name) => self.pod(name).map(|pod| pod.node.clone()),
            Who::Node(node) | Who::Nobody(node) => Some(node.clone()),
            Who::Outside => None,
        }
    }
}

fn following(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(a) => Ipv4Addr::from(u32::from(a).wrapping_add(1)).into(),
        IpAddr::V6(a) => Ipv6Addr::from(u128::from(a).wrapping_add(1)).into(),
    }
}
