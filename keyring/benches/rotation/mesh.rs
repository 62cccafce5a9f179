//! A thousand nodes, each the real state machine, around a queue of events.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use ringfence_keyring::rotation::{
    Action, Event, Found, Moment, NodeName, OwnKey, Published, Request, State, Word,
};
use ringfence_keyring::{Epoch, Plane, PrivateKey, PublicKey};

use crate::delays::Delays;

/// Milliseconds: an agent looks around, keepalives are sent, a probe is given up.
pub(crate) const TICK: u64 = 1_000;
pub(crate) const KEEPALIVE: u64 = 25_000;
pub(crate) const PROBE: u64 = 1_000;

/// What a node has sent and written.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    pub(crate) probes: u64,
    pub(crate) words: u64,
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    /// When its last key of the old epoch was replaced.
    pub(crate) ended: Option<u64>,
}

/// Who is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Up,
    /// The kernel works on, nobody decides.
    AgentDead,
    Down,
}

#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) state: State,
    pub(crate) presence: Presence,
    pub(crate) counts: Counts,
    made: u32,
}

#[derive(Clone)]
pub(crate) enum Happening {
    Event(usize, Event),
    Tick(usize),
    Keepalives(usize),
    Written(usize, Arc<Published>),
    Probed { from: usize, to: usize, plane: Plane, ours: PublicKey, theirs: PublicKey },
    Said { from: usize, to: usize, word: Word },
}

#[derive(Clone)]
pub(crate) struct Mesh {
    pub(crate) nodes: Vec<Node>,
    pub(crate) epoch: Epoch,
    pub(crate) now: u64,
    names: HashMap<NodeName, usize>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: HashMap<u64, Happening>,
    number: u64,
    pub(crate) delays: Delays,
}

impl Mesh {
    /// `count` nodes that have joined and know each other, at epoch 0.
    pub(crate) fn of(count: usize, seed: u64) -> Mesh {
        let names: Vec<NodeName> = (0..count).map(|index| format!("node-{index:04}").into()).collect();
        let mut mesh = Mesh {
            nodes: Vec::new(),
            epoch: Epoch::ZERO,
            now: 0,
            names: names.iter().cloned().zip(0..).collect(),
            queue: BinaryHeap::new(),
            happenings: HashMap::new(),
            number: 0,
            delays: Delays::new(seed),
        };
        for (index, name) in names.iter().enumerate() {
            let (state, actions) = State::start(Moment(0), name.clone(), name.clone(), Found::default());
            mesh.nodes.push(Node { state, presence: Presence::Up, counts: Counts::default(), made: 0 });
            for other in names.iter().filter(|other| *other != name) {
                let joined = Event::Joined { node: other.clone(), uid: other.clone() };
                mesh.nodes[index].state.step(Moment(0), joined);
            }
            mesh.carry_out(index, actions);
            let phase = mesh.delays.between(0, TICK);
            mesh.after(60_000, Happening::Event(index, Event::Listed));
            mesh.after(phase, Happening::Tick(index));
            mesh.after(phase, Happening::Keepalives(index));
        }
        mesh
    }

    pub(crate) fn after(&mut self, span: u64, happening: Happening) {
        self.number += 1;
        self.queue.push(Reverse((self.now + span, self.number)));
        self.happenings.insert(self.number, happening);
    }

    /// Goes on until `until` (milliseconds), or until `done` says so.
    pub(crate) fn run(&mut self, until: u64, mut done: impl FnMut(&Mesh) -> bool) {
        let mut looked = self.now;
        while let Some(Reverse((at, number))) = self.queue.peek().copied() {
            if at > until || (at >= looked + TICK && done(self)) {
                break;
            }
            if at >= looked + TICK {
                looked = at;
            }
            self.queue.pop();
            self.now = at;
            if let Some(happening) = self.happenings.remove(&number) {
                self.happen(happening);
            }
        }
    }

    pub(crate) fn event(&mut self, index: usize, event: Event) {
        if self.nodes[index].presence == Presence::Up {
            let actions = self.nodes[index].state.step(Moment(self.now), event);
            self.carry_out(index, actions);
            let node = &mut self.nodes[index];
            if node.counts.ended.is_none()
                && node.state.mesh_epoch() > Epoch::ZERO
                && !node.state.is_rotating()
            {
                node.counts.ended = Some(self.now);
            }
        }
    }

    /// An agent that was away reads what there is.
    pub(crate) fn come_back(&mut self, index: usize, request: &Request) {
        self.nodes[index].presence = Presence::Up;
        let all = self.nodes.iter().filter_map(|node| node.state.published()).collect::<Vec<_>>();
        for published in all {
            self.after(TICK, Happening::Event(index, Event::Read(published)));
        }
        self.after(TICK, Happening::Event(index, Event::Requested(request.clone())));
        let event = Event::Mesh { epoch: self.epoch, age: Duration::ZERO };
        self.after(TICK, Happening::Event(index, event));
    }

    fn carry_out(&mut self, index: usize, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::MakeKey { plane, epoch } => {
                    let key = OwnKey { epoch, public: self.make(index) };
                    let span = self.delays.disk();
                    self.after(span, Happening::Event(index, Event::KeyMade { plane, key }));
                }
                Action::Publish(published) => {
                    self.nodes[index].counts.writes += 1;
                    let span = self.delays.write();
                    self.after(span, Happening::Written(index, published));
                }
                Action::Probe { peer, plane, ours, theirs } => {
                    self.nodes[index].counts.probes += 1;
                    let (to, span) = (self.names[&peer], self.delays.network());
                    self.after(span, Happening::Probed { from: index, to, plane, ours, theirs });
                }
                Action::Tell { peer, word } => {
                    self.nodes[index].counts.words += 1;
                    let (to, span) = (self.names[&peer], self.delays.network());
                    self.after(span, Happening::Said { from: index, to, word });
                }
                Action::RaiseEpoch { from, to } if self.epoch == from => {
                    self.epoch = to;
                    for other in 0..self.nodes.len() {
                        let span = self.delays.watch();
                        let event = Event::Mesh { epoch: to, age: Duration::ZERO };
                        self.after(span, Happening::Event(other, event));
                    }
                }
                _ => {}
            }
        }
    }

    fn make(&mut self, index: usize) -> PublicKey {
        let node = &mut self.nodes[index];
        node.made += 1;
        let mut secret = [1; 32];
        secret[1..9].copy_from_slice(&(index as u64).to_le_bytes());
        secret[9..13].copy_from_slice(&node.made.to_le_bytes());
        match PrivateKey::from_bytes(&secret) {
            Ok(private) => private.public(),
            Err(error) => panic!("a fixed key that is none: {error}"),
        }
    }
}
