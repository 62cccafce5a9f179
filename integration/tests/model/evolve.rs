//! Clusters that change: each step takes some objects from another random cluster of the same names.
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ringfence::desired::Snapshot;
use ringfence::model::ObjectName;
use ringfence::policy::offline::local_view;
use ringfence::policy::tables::{LocalEndpoint, LocalView};
use ringfence_integration::evaluator::{Shape, generate};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// One cluster's life, seen from one node.
pub(crate) struct Life {
    dice: StdRng,
    seed: u64,
    shape: Shape,
    pub(crate) snapshot: Snapshot,
    node: String,
    sandboxes: HashMap<(ObjectName, String, Vec<IpAddr>), u32>,
    last_sandbox: u32,
}

impl Life {
    pub(crate) fn new(seed: u64) -> Self {
        let shape = Shape { pods: 6..=20, policies: 2..=10, ..Shape::default() };
        let mut life = Self {
            dice: StdRng::seed_from_u64(seed),
            seed: seed * 1000,
            snapshot: Snapshot::default(),
            node: "node-1".to_owned(),
            sandboxes: HashMap::new(),
            last_sandbox: 0,
            shape,
        };
        life.snapshot = life.other();
        let names: Vec<String> = life.snapshot.nodes.keys().cloned().collect();
        life.node = names[life.dice.random_range(0..names.len())].clone();
        life
    }

    fn other(&mut self) -> Snapshot {
        self.seed += 1;
        super::snapshot_of(&generate(self.seed, &self.shape))
    }

    /// The next snapshot: most objects as they were, in the same place in memory.
    pub(crate) fn step(&mut self) {
        let other = self.other();
        let dice = &mut self.dice;
        // Some steps change one kind alone: policies edited and pods moved in one step are the harder case.
        let share = [0.02, 0.1, 0.3][dice.random_range(0..3)];
        let only = dice.random_range(0..10);
        let take = |kind: u32| if only < 5 && only != kind { 0.0 } else { share };
        let shares: Vec<f64> = (0..6).map(take).collect();
        let old = &self.snapshot;
        self.snapshot = Snapshot {
            revision: old.revision + 1,
            pods: mixed(&old.pods, &other.pods, shares[0], dice),
            policies: mixed(&old.policies, &other.policies, shares[1], dice),
            services: mixed(&old.services, &other.services, shares[2], dice),
            slices: mixed(&old.slices, &other.slices, shares[3], dice),
            namespaces: mixed(&old.namespaces, &other.namespaces, shares[4], dice),
            nodes: mixed(&old.nodes, &other.nodes, shares[5] / 4.0, dice),
            ..other
        };
    }

    /// What the node knows: a sandbox keeps its number while its pod and addresses stay. Some are closing, some pods
    /// have none yet.
    pub(crate) fn local(&mut self) -> LocalView {
        let mut view = local_view(&self.snapshot, &self.node, &[]);
        let mut endpoints = Vec::new();
        for endpoint in std::mem::take(&mut view.endpoints) {
            let uid = endpoint.uid.clone().unwrap_or_default();
            let key = (endpoint.pod.clone(), uid, endpoint.addresses.clone());
            let id = *self.sandboxes.entry(key).or_insert_with(|| {
                self.last_sandbox += 1;
                self.last_sandbox
            });
            let closing = self.dice.random_bool(0.02);
            if self.dice.random_bool(0.98) {
                endpoints.push(LocalEndpoint { id, ifindex: 1000 + id, closing, ..endpoint });
            }
        }
        view.endpoints = endpoints;
        view
    }
}

type Map<K, V> = Arc<BTreeMap<K, Arc<V>>>;

fn mixed<K: Ord + Clone, V>(old: &Map<K, V>, other: &Map<K, V>, share: f64, dice: &mut StdRng) -> Map<K, V> {
    let mut map = (**old).clone();
    let mut changed = false;
    let keys: Vec<K> = old.keys().chain(other.keys()).cloned().collect();
    for key in keys {
        if !dice.random_bool(share) {
            continue;
        }
        changed = true;
        match other.get(&key) {
            Some(value) => _ = map.insert(key, value.clone()),
            None => _ = map.remove(&key),
        }
    }
    if changed { Arc::new(map) } else { old.clone() }
}
