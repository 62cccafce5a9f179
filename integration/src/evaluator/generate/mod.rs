//! Random clusters and questions about them, for differential tests.
//!
//! A cluster is a function of its seed and [`Shape`]; so is a list of queries. Labels, ports, names and addresses come
//! from small pools on purpose: things then overlap, and rarely met combinations are met. Everything is valid by the
//! API server's rules, and every address is stated, so that all readers give the same ones.

mod blocks;
mod objects;
mod policies;
mod queries;
mod services;

use std::net::IpAddr;
use std::ops::RangeInclusive;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

pub use self::queries::queries;
use super::cluster::{Cluster, Family};
use super::read::read_cluster;

/// How large a cluster to make: each a range to draw from.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Nodes.
    pub nodes: RangeInclusive<usize>,
    /// Namespaces, some of them not declared.
    pub namespaces: RangeInclusive<usize>,
    /// Pods, completed and hostNetwork ones among them.
    pub pods: RangeInclusive<usize>,
    /// NetworkPolicies.
    pub policies: RangeInclusive<usize>,
    /// Services.
    pub services: RangeInclusive<usize>,
}

impl Default for Shape {
    fn default() -> Self {
        Self { nodes: 2..=3, namespaces: 1..=4, pods: 3..=14, policies: 0..=9, services: 0..=5 }
    }
}

/// A random cluster.
#[derive(Clone, Debug)]
pub struct Generated {
    /// Makes it again.
    pub seed: u64,
    /// Kubernetes objects: Node, Namespace, Pod, NetworkPolicy, Service, EndpointSlice.
    pub objects: Vec<Value>,
}

impl Generated {
    /// The evaluator's view of it.
    pub fn cluster(&self) -> Result<Cluster> {
        read_cluster(&self.objects)
    }

    /// As a stream of YAML documents, to be written where an engine reads manifests.
    pub fn yaml(&self) -> Result<String> {
        let documents: Result<Vec<String>, _> = self.objects.iter().map(serde_yaml_ng::to_string).collect();
        Ok(documents?.join("---\n"))
    }
}

/// Makes the cluster of this seed.
pub fn generate(seed: u64, shape: &Shape) -> Generated {
    let mut world = World::new(seed);
    let mut objects = objects::nodes_and_namespaces(&mut world, shape);
    objects.extend(objects::pods(&mut world, shape));
    objects.extend(policies::policies(&mut world, shape));
    objects.extend(services::services(&mut world, shape));
    Generated { seed, objects }
}

/// What later parts must know of earlier ones, and the dice.
struct World {
    dice: Dice,
    families: Vec<Family>,
    /// Nodes: a name and an address of each family.
    nodes: Vec<(String, Vec<IpAddr>)>,
    namespaces: Vec<String>,
    /// Addresses of pods that run, by family-complete lists.
    pods: Vec<Vec<IpAddr>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(StdRng::seed_from_u64(seed));
        let families = match dice.below(6) {
            0 => vec![Family::IPv4],
            1 => vec![Family::IPv6],
            2 => vec![Family::IPv6, Family::IPv4],
            _ => vec![Family::IPv4, Family::IPv6],
        };
        Self { dice, families, nodes: Vec::new(), namespaces: Vec::new(), pods: Vec::new() }
    }

    /// Of the two, those of the cluster's families, in the cluster's order.
    fn dual(&self, v4: &str, v6: &str) -> Vec<IpAddr> {
        let text = |family: &Family| if *family == Family::IPv4 { v4.parse() } else { v6.parse() };
        self.families.iter().filter_map(|f| text(f).ok()).collect()
    }

    /// An address that a policy or query may well be about.
    fn interesting_address(&mut self, family: Family) -> IpAddr {
        let mut pool: Vec<IpAddr> = outside(family);
        let kind = self.dice.below(10);
        if kind < 6 {
            pool = self.pods.iter().flatten().copied().filter(|a| Family::of(*a) == family).collect();
        } else if kind < 8 {
            pool = self.nodes.iter().flat_map(|n| n.1.clone()).filter(|a| Family::of(*a) == family).collect();
        }
        if pool.is_empty() {
            pool = outside(family);
        }
        *self.dice.pick(&pool)
    }
}

/// Addresses outside of every cluster made here.
fn outside(family: Family) -> Vec<IpAddr> {
    let texts = match family {
        Family::IPv4 => ["203.0.113.7", "203.0.113.200", "198.51.100.9", "192.0.2.1"],
        Family::IPv6 => ["2001:db8:113::7", "2001:db8:113::8000:7", "2001:db8:100::9", "2001:db8::1"],
    };
    texts.iter().filter_map(|t| t.parse().ok()).collect()
}

/// Randomness in small words.
struct Dice(StdRng);

impl Dice {
    /// A number from 0 up to but not including `n`, which must not be 0.
    fn below(&mut self, n: usize) -> usize {
        self.0.random_range(0..n)
    }

    fn within(&mut self, range: &RangeInclusive<usize>) -> usize {
        self.0.random_range(range.clone())
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of a list that is not empty.
    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// Pools shared by pods, policies and Services.
const KEYS: [&str; 3] = ["app", "tier", "example.org/zone"];
const VALUES: [&str; 3] = ["a", "b", ""];
const PORTS: [u16; 9] = [1, 53, 80, 81, 443, 8080, 8081, 9090, 65535];
const NAMES: [&str; 4] = ["http", "metrics", "dns", "admin"];
const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
