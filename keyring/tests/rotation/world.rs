//! Nodes, their disks and kernels, the API and the mesh between them, around the real state machine.
//!
//! A packet from one node to another arrives if the route leads to a plane on which both hold each other's keys. Whatever
//! takes that away from a direction that had it, without a cause from outside, is a loss.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringfence_keyring::rotation::{
    Event, Found, Mistake, Moment, NodeName, OwnKey, Published, Record, State, Word,
};
use ringfence_keyring::{Epoch, PerPlane, Plane, PublicKey};

use super::print::Print;

/// When everything happens, where time does not matter.
pub const NOW: Moment = Moment(1_000_000);

#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Kernel {
    pub own: PerPlane<Option<PublicKey>>,
    pub peers: PerPlane<BTreeMap<NodeName, PublicKey>>,
    pub routes: BTreeMap<NodeName, Plane>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    pub name: NodeName,
    /// Part of its UID: a node that is registered anew has another.
    pub life: usize,
    pub member: bool,
    pub up: bool,
    pub agent: Option<State>,
    pub disk: Option<Record>,
    pub store: PerPlane<Option<OwnKey>>,
    pub kernel: Kernel,
    pub made: usize,
    /// Everything it ever wrote; the last is what the API holds.
    pub written: Vec<Arc<Published>>,
    /// Probes sent and not yet answered to its agent; whether they got through.
    pub probes: BTreeSet<(NodeName, Plane, PublicKey, PublicKey, bool)>,
    /// What it may lose without a fault of its own: its disk was taken from it, or it was told to.
    pub excused: bool,
    /// The greatest epoch it ever took up.
    pub reached: Epoch,
    /// A backup of its disk.
    pub snapshot: Option<(Record, PerPlane<Option<OwnKey>>)>,
    /// Keys that it has destroyed.
    pub retired: BTreeSet<PublicKey>,
    /// Nodes that it knows to be revoked.
    pub judged: BTreeSet<NodeName>,
    pub print: Print,
}

impl Node {
    fn print(&self) -> u64 {
        let known = self.print.0.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        let print = hasher.finish().max(1);
        self.print.0.store(print, Ordering::Relaxed);
        print
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// Shared between worlds that differ elsewhere.
    pub nodes: Vec<Arc<Node>>,
    pub mesh: Epoch,
    /// Words that reached their node, not yet its agent: from, to.
    pub words: BTreeSet<(usize, usize, Word)>,
    /// Packets under way when a route was changed: from, to, over.
    pub flying: BTreeSet<(usize, usize, Plane)>,
    /// Underlay ports that a firewall blocks, between two nodes.
    pub blocked: BTreeSet<(usize, usize, Plane)>,
    pub lost: Option<String>,
    /// Whether any key is replaced out of turn: only then does the serial in a word say anything.
    pub serials_matter: bool,
    pub mistake: Option<Mistake>,
}

pub fn name(node: usize) -> NodeName {
    ["a", "b", "c", "d", "e", "f", "g", "h"][node].into()
}

pub fn uid(node: usize, life: usize) -> Arc<str> {
    format!("uid-{}-{life}", name(node)).into()
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nodes.iter().for_each(|node| state.write_u64(node.print()));
        (self.mesh, &self.words, &self.flying, &self.blocked, &self.lost).hash(state);
    }
}

impl World {
    /// `count` nodes that have joined, none of them started.
    pub fn of(count: usize, mistake: Option<Mistake>) -> World {
        let node = |index| Node {
            name: name(index),
            life: 0,
            member: true,
            up: true,
            agent: None,
            disk: None,
            store: PerPlane::default(),
            kernel: Kernel::default(),
            made: 0,
            written: Vec::new(),
            probes: BTreeSet::new(),
            excused: false,
            reached: Epoch::ZERO,
            snapshot: None,
            retired: BTreeSet::new(),
            judged: BTreeSet::new(),
            print: Print::default(),
        };
        World {
            nodes: (0..count).map(node).map(Arc::new).collect(),
            mesh: Epoch::ZERO,
            words: BTreeSet::new(),
            flying: BTreeSet::new(),
            blocked: BTreeSet::new(),
            lost: None,
            serials_matter: true,
            mistake,
        }
    }

    pub fn node(&mut self, node: usize) -> &mut Node {
        let node = Arc::make_mut(&mut self.nodes[node]);
        node.print = Print::default();
        node
    }

    pub fn index(&self, name: &NodeName) -> usize {
        self.nodes.iter().position(|node| node.name == *name).unwrap()
    }

    /// Whether packets between two nodes get through on a plane, whatever the routes.
    pub fn accepts(&self, from: usize, to: usize, plane: Plane) -> bool {
        let (sender, receiver) = (&self.nodes[from], &self.nodes[to]);
        let key = |node: &Node| *node.kernel.own.get(plane);
        let (Some(ours), Some(theirs)) = (key(sender), key(receiver)) else { return false };
        sender.up
            && receiver.up
            && !self.blocked.contains(&(from.min(to), from.max(to), plane))
            && sender.kernel.peers.get(plane).get(&receiver.name) == Some(&theirs)
            && receiver.kernel.peers.get(plane).get(&sender.name) == Some(&ours)
    }

    /// Whether what one node sends another arrives.
    pub fn arrives(&self, from: usize, to: usize) -> bool {
        let route = self.nodes[from].kernel.routes.get(&self.nodes[to].name);
        route.is_some_and(|plane| self.accepts(from, to, *plane))
    }

    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let count = self.nodes.len();
        (0..count).flat_map(move |from| (0..count).filter(move |to| *to != from).map(move |to| (from, to)))
    }

    /// Starts a node's agent on what its disk, kernel and the API hold.
    pub fn start(&mut self, node: usize, cut: usize) -> usize {
        let here = &self.nodes[node];
        let found = Found {
            record: here.disk.clone(),
            keys: here.store,
            published: here.written.last().cloned(),
            mesh: self.mesh,
            routes: here.kernel.routes.clone(),
            peers: here.kernel.peers.clone(),
        };
        let (state, actions) =
            State::start_with(NOW, here.name.clone(), uid(node, here.life), found, self.mistake);
        let own = PerPlane::from_fn(|plane| state.key(plane).map(|key| key.public));
        let here = self.node(node);
        here.agent = Some(state);
        for (plane, key) in own.iter().filter(|(_, key)| key.is_some()) {
            *here.kernel.own.get_mut(plane) = *key;
            if key.is_some_and(|key| here.retired.contains(&key)) {
                self.lost.get_or_insert(format!("{} uses a key past its retirement", name(node)));
                break;
            }
        }
        let done = self.carry_out(node, actions, cut);
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            if self.nodes[other].member {
                let joined = Event::Joined { node: name(other), uid: uid(other, self.nodes[other].life) };
                self.happen(node, NOW, joined, usize::MAX);
            }
        }
        done
    }

    /// The agent's process is killed; nothing else.
    pub fn kill(&mut self, node: usize) {
        let node = self.node(node);
        node.agent = None;
        node.probes.clear();
    }

    /// The machine loses power.
    pub fn lose(&mut self, node: usize) {
        self.kill(node);
        let lost = self.node(node);
        lost.up = false;
        lost.kernel = Kernel::default();
        self.flying.retain(|(from, to, _)| *from != node && *to != node);
        self.words.retain(|(_, to, _)| *to != node);
    }

    /// It boots again; its agent has yet to start.
    pub fn boot(&mut self, node: usize) {
        self.node(node).up = true;
    }

    /// An event at a node, and what it does about it; killed after `cut` actions.
    pub fn happen(&mut self, node: usize, now: Moment, event: Event, cut: usize) -> usize {
        let here = self.node(node);
        let Some(agent) = &mut here.agent else { return 0 };
        let actions = agent.step(now, event);
        let epoch = agent.mesh_epoch();
        if epoch < here.reached {
            self.lost.get_or_insert(format!("{} went back to epoch {epoch}", name(node)));
        } else {
            here.reached = epoch;
        }
        self.carry_out(node, actions, cut)
    }
}
