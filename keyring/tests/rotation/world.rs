//! Nodes, their disks and kernels, the API and the mesh between them, around the real state machine.
//!
//! A packet from one node to another arrives if the route leads to a plane on which both hold each other's keys. Whatever
//! takes that away from a direction that had it, without a cause from outside, is a loss.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ringfence_keyring::rotation::{
    Action, Event, Found, Mistake, Moment, NodeName, OwnKey, Published, Record, Remake, Report, State, Word,
};
use ringfence_keyring::{Epoch, PerPlane, Plane, PublicKey};

use super::keys::key;

/// When everything happens, where time does not matter.
pub const NOW: Moment = Moment(1_000_000);

#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Kernel {
    pub own: PerPlane<Option<PublicKey>>,
    pub peers: PerPlane<BTreeMap<NodeName, PublicKey>>,
    pub routes: BTreeMap<NodeName, Plane>,
}

/// A hash that is computed once; two nodes are never told apart by it.
#[derive(Debug, Default)]
pub struct Print(AtomicU64);

impl Clone for Print {
    fn clone(&self) -> Print {
        Print::default()
    }
}

impl PartialEq for Print {
    fn eq(&self, _: &Print) -> bool {
        true
    }
}

impl Eq for Print {}

impl Hash for Print {
    fn hash<H: Hasher>(&self, _: &mut H) {}
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

    fn carry_out(&mut self, node: usize, actions: Vec<Action>, cut: usize) -> usize {
        if actions.is_empty() {
            return 0;
        }
        let mut queue = VecDeque::from(actions);
        let mut left = cut;
        while let Some(action) = queue.pop_front() {
            if left == 0 {
                self.kill(node);
                break;
            }
            left -= 1;
            let before: Vec<_> = self.pairs().filter(|(from, to)| self.arrives(*from, *to)).collect();
            let shown = if self.lost.is_none() { format!("{action:?}") } else { String::new() };
            let follows = self.carry_out_one(node, action);
            for (from, to) in before {
                if !self.arrives(from, to) && !self.nodes[from].excused && !self.nodes[to].excused {
                    let what = format!("{} -> {} broken by {}: {shown}", name(from), name(to), name(node));
                    self.lost.get_or_insert(what);
                }
            }
            if let (Some(event), Some(agent)) = (follows, &mut self.node(node).agent) {
                // At the front: what was asked for is answered before anything else happens.
                for action in agent.step(NOW, event).into_iter().rev() {
                    queue.push_front(action);
                }
            }
        }
        let judged = |plane| {
            self.nodes[node].judged.iter().any(|of| self.nodes[node].kernel.peers.get(plane).contains_key(of))
        };
        if Plane::ALL.into_iter().any(judged) {
            self.lost.get_or_insert(format!("{} lets a revoked node in", name(node)));
        }
        self.answer_probes();
        cut - left
    }

    fn answer_probes(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].probes.is_empty() {
                continue;
            }
            let through = self.nodes[node].probes.iter().map(|(peer, plane, ours, theirs, answered)| {
                let to = self.index(peer);
                let keys = self.nodes[node].kernel.own.get(*plane) == &Some(*ours)
                    && self.nodes[to].kernel.own.get(*plane) == &Some(*theirs);
                let now = keys && self.accepts(node, to, *plane) && self.nodes[to].agent.is_some();
                (peer.clone(), *plane, *ours, *theirs, *answered || now)
            });
            let through: BTreeSet<_> = through.collect();
            if through != self.nodes[node].probes {
                self.node(node).probes = through;
            }
        }
    }

    fn carry_out_one(&mut self, index: usize, action: Action) -> Option<Event> {
        if let Action::ReplaceRoute { peer, plane } = action {
            self.replace_route(index, peer, plane);
            return None;
        }
        let node = self.node(index);
        match action {
            Action::Persist => node.disk = node.agent.as_ref().map(|agent| agent.record().clone()),
            Action::ConfigurePeer { peer, plane, key, .. } => {
                node.kernel.peers.get_mut(plane).insert(peer, key);
            }
            Action::RemovePeer { peer, plane } => {
                node.kernel.peers.get_mut(plane).remove(&peer);
            }
            Action::RemoveRoute { peer } => {
                node.kernel.routes.remove(&peer);
            }
            Action::Retire { plane, public } => {
                node.retired.insert(public);
                *node.store.get_mut(plane) = None;
                *node.kernel.own.get_mut(plane) = None;
                node.kernel.peers.get_mut(plane).clear();
                let late = self.flying.iter().find(|(_, to, over)| *to == index && *over == plane);
                if let Some((from, ..)) = late.filter(|(from, ..)| !self.nodes[*from].excused)
                    && !self.nodes[index].excused
                {
                    let what = format!("packets {} -> {} met a retired {plane}", name(*from), name(index));
                    self.lost.get_or_insert(what);
                }
            }
            Action::MakeKey { plane, epoch } => {
                let made = OwnKey { epoch, public: key(index, node.made) };
                node.made += 1;
                *node.store.get_mut(plane) = Some(made);
                *node.kernel.own.get_mut(plane) = Some(made.public);
                self.forget_words();
                return Some(Event::KeyMade { plane, key: made });
            }
            Action::Publish(published) => {
                let serial = published.serial;
                if node.written.last() != Some(&published) {
                    node.written.push(published);
                }
                return Some(Event::Published(serial));
            }
            Action::RaiseEpoch { from, to } => {
                if self.mesh == from {
                    self.mesh = to;
                    self.see_whether_all_had_finished(from, index);
                }
            }
            Action::Tell { peer, word } => self.tell(index, &peer, word),
            Action::Probe { peer, plane, ours, theirs } => {
                node.probes.insert((peer, plane, ours, theirs, false));
            }
            Action::Report(Report::Remade(why))
                if !node.excused && node.made > 0 && why != Remake::LeftBehind =>
            {
                self.lost.get_or_insert(format!("{} makes its keys anew for no reason", name(index)));
            }
            Action::Report(_) | Action::ReplaceRoute { .. } => {}
        }
        None
    }

    /// Whoever leaves a key out of turn may just have begun to: that is no rotation of the mesh.
    fn see_whether_all_had_finished(&mut self, from: Epoch, by: usize) {
        let busy = |node: &Arc<Node>| {
            node.up
                && node.reached >= from
                && !node.judged.contains(&node.name)
                && node.written.last().is_some_and(|written| {
                    let epoch = |plane| Some(written.planes.get(plane).epoch);
                    epoch(from.plane()) != Some(from) || epoch(from.plane().other()) != from.next()
                })
        };
        let mended = self.nodes.iter().any(|node| node.reached > from);
        if !mended && self.nodes.iter().any(busy) {
            self.lost.get_or_insert(format!("{} begins an epoch before the last has ended", name(by)));
        }
    }

    fn replace_route(&mut self, from: usize, peer: NodeName, plane: Plane) {
        let to = self.index(&peer);
        let arrived = self.arrives(from, to);
        let before = self.node(from).kernel.routes.insert(peer, plane);
        if let Some(before) = before.filter(|before| arrived && *before != plane) {
            self.flying.insert((from, to, before));
        }
    }

    /// A word goes by the route it speaks of, and the answer likewise.
    fn tell(&mut self, from: usize, peer: &NodeName, word: Word) {
        let to = self.index(peer);
        if !self.arrives(from, to) || self.nodes[to].agent.is_none() {
            return;
        }
        self.send(from, to, word);
        let answer = self.nodes[to].agent.as_ref().and_then(|agent| agent.word_for(&self.nodes[from].name));
        if let Some(answer) = answer.filter(|_| self.arrives(to, from)) {
            self.send(to, from, answer);
        }
    }

    fn send(&mut self, from: usize, to: usize, word: Word) {
        let word = if self.serials_matter { word } else { Word { seen: 0, ..word } };
        self.words.insert((from, to, word));
        self.forget_words();
    }

    /// Words that nobody can make anything of any more are dropped: that a word is of no use, and stays so as the
    /// epochs of keys grow, follows from what words are for. Not so when a mistake is to be found.
    fn forget_words(&mut self) {
        if self.mistake.is_some() || self.serials_matter {
            return;
        }
        let useful = |to: usize, word: &Word| {
            self.nodes[to].store.iter().any(|(_, key)| key.is_none_or(|key| key.epoch < word.epoch))
        };
        let useful: BTreeSet<_> =
            self.words.iter().filter(|(_, to, word)| useful(*to, word)).copied().collect();
        self.words = useful;
    }
}
