//! A small cluster to compile, and what its mesh must look like.
mod claims;
mod departed;
mod heirs;
mod kernels;
mod membership;
mod network;
mod pairs;

use super::*;
use crate::desired::Snapshot;
use crate::model::{Labels, Node};
use ipnetwork::IpNetwork;
use ringfence_keyring::{Epoch, PerPlane, Plane, PrivateKey, PublicKey, Publication, PublishedPlane};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

fn net(text: &str) -> IpNetwork {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A public key that is the same for the same seed.
fn key(seed: u8) -> PublicKey {
    PrivateKey::from_bytes(&[seed; 32]).unwrap().public()
}

/// Node `NAME` number `number`: pod CIDRs 10.244.N.0/24 and fd00:10:244:N::/64, addresses 192.0.2.N and 2001:db8::N.
fn node(name: &str, number: u8) -> Node {
    Node {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        created: format!("2026-01-{number:02}T00:00:00Z"),
        labels: Arc::new(Labels::new()),
        pod_cidrs: vec![net(&format!("10.244.{number}.0/24")), net(&format!("fd00:10:244:{number}::/64"))],
        addresses: vec![ip(&format!("192.0.2.{number}")), ip(&format!("2001:db8::{number}"))],
    }
}

/// What it publishes at epoch 0, with keys of seeds 2N and 2N+1.
fn published(node: &Node, number: u8) -> Publication {
    let planes = PerPlane::from_fn(|plane| PublishedPlane {
        public_key: key(number * 2 + u8::try_from(plane.index()).unwrap()),
        epoch: Epoch::new(plane.index() as u64).unwrap(),
        port: plane.default_port(),
    });
    Publication::new(&node.name, &node.uid, Epoch::ZERO, planes, &node.addresses).unwrap()
}

/// Nodes a, b and c as one of them sees them.
struct World {
    snapshot: Snapshot,
    node: String,
    keys: LocalKeysView,
    underlay: UnderlayFacts,
    config: MeshConfig,
    memory: Memory,
    /// When the last round was, seconds.
    now: u64,
}

impl World {
    fn seen_by(name: &str) -> Self {
        let mut world = Self {
            snapshot: Snapshot::default(),
            node: name.to_owned(),
            keys: LocalKeysView {
                public: PerPlane { zero: Some(key(250)), one: Some(key(251)) },
                epoch: Epoch::ZERO,
                pairs: Pairs::AsPublished,
                rotating: false,
            },
            underlay: UnderlayFacts::default(),
            config: MeshConfig {
                cluster_cidrs: BTreeSet::from([net("10.244.0.0/16"), net("fd00:10:244::/48")]),
                node_cidrs: BTreeSet::from([net("192.0.2.0/24"), net("2001:db8::/64"), net("10.244.0.0/16")]),
                ..MeshConfig::default()
            },
            memory: Memory::default(),
            now: 0,
        };
        for (number, each) in (1..).zip(["a", "b", "c"]) {
            let node = node(each, number);
            if each == name {
                let addresses = node.addresses.iter();
                world.underlay.addresses =
                    addresses.map(|address| UnderlayAddress { address: *address, mtu: 1500 }).collect();
                world.keys.public = published(&node, number).planes().map(|_, plane| Some(plane.public_key));
            }
            world.publish(published(&node, number));
            world.put(node);
        }
        world
    }

    fn put(&mut self, node: Node) {
        Arc::make_mut(&mut self.snapshot.nodes).insert(node.name.clone(), Arc::new(node));
    }

    fn publish(&mut self, publication: Publication) {
        let publications = Arc::make_mut(&mut self.snapshot.publications);
        publications.insert(publication.node().to_owned(), Arc::new(publication));
    }

    fn edit(&mut self, name: &str, edit: impl FnOnce(&mut Node)) {
        let node = Arc::make_mut(&mut self.snapshot.nodes).get_mut(name).unwrap();
        edit(Arc::make_mut(node));
    }

    fn withdraw(&mut self, name: &str) {
        Arc::make_mut(&mut self.snapshot.publications).remove(name);
    }

    fn compile(&self) -> MeshSpec {
        compile(&MeshInput {
            snapshot: &self.snapshot,
            node: &self.node,
            keys: &self.keys,
            underlay: &self.underlay,
            config: &self.config,
            memory: &self.memory,
        })
        .unwrap()
    }

    /// A compilation that is remembered.
    fn remember(&mut self) {
        let spec = self.compile();
        self.memory.learn(&spec);
    }

    /// Names of the peers on a plane.
    fn peers(&self, plane: Plane) -> Vec<String> {
        let mut names: Vec<_> =
            self.compile().devices[&plane].peers.values().map(|peer| peer.node.clone()).collect();
        names.sort();
        names
    }
}

#[test]
fn a_node_without_a_node_object_has_no_mesh() {
    let mut world = World::seen_by("a");
    Arc::make_mut(&mut world.snapshot.nodes).remove("a");
    let input = MeshInput {
        snapshot: &world.snapshot,
        node: "a",
        keys: &world.keys,
        underlay: &world.underlay,
        config: &world.config,
        memory: &world.memory,
    };
    assert_eq!(compile(&input), Err(MeshError::NoSuchNode { node: "a".to_owned() }));
}
