//! Lets a world run: everybody reads everything, probes and words arrive, time passes.

use std::time::Duration;

use ringfence_keyring::rotation::{Event, Mistake, Moment, Request};
use ringfence_keyring::{Epoch, Plane};

use super::world::{NOW, World, name};

impl World {
    /// `count` nodes that are up and joined to each other.
    pub fn standing(count: usize) -> World {
        let mut world = World::of(count, None);
        for node in 0..count {
            world.start(node, usize::MAX);
        }
        world.settle();
        world.take_snapshots();
        world
    }

    /// Backs every disk up.
    pub fn take_snapshots(&mut self) {
        for node in 0..self.nodes.len() {
            let node = self.node(node);
            node.snapshot = node.disk.clone().map(|disk| (disk, node.store));
        }
    }

    /// Everything that has happened reaches everybody, in one of many orders, and the clocks go on by ten seconds, until
    /// nothing changes any more.
    pub fn settle(&mut self) {
        for _ in 0..200 {
            let before = self.clone();
            self.round(Duration::from_secs(10));
            if *self == before {
                return;
            }
        }
        panic!("it never comes to rest: {self:#?}");
    }

    /// One round of that. Time is forgotten afterwards.
    pub fn round(&mut self, span: Duration) {
        for node in 0..self.nodes.len() {
            self.read_all(node);
            self.answer(node);
        }
        for node in 0..self.nodes.len() {
            self.pass(node, span, usize::MAX);
        }
    }

    pub fn read_all(&mut self, node: usize) {
        self.happen(node, NOW, Event::Mesh { epoch: self.mesh, age: Duration::ZERO }, usize::MAX);
        for other in 0..self.nodes.len() {
            if let Some(published) = self.nodes[other].written.last().cloned() {
                self.happen(node, NOW, Event::Read(published), usize::MAX);
            }
        }
        self.happen(node, NOW, Event::Listed, usize::MAX);
        for (from, _, word) in self.words.clone().into_iter().filter(|(_, to, _)| *to == node) {
            self.happen(node, NOW, Event::Word { from: name(from), word }, usize::MAX);
        }
    }

    /// Probes are answered or not.
    pub fn answer(&mut self, node: usize) {
        for probe in self.nodes[node].probes.clone() {
            self.node(node).probes.remove(&probe);
            let (peer, plane, ours, theirs, answered) = probe;
            let event = if answered {
                Event::ProbeAnswered { peer, plane, ours, theirs }
            } else {
                Event::ProbeUnanswered { peer, plane }
            };
            self.happen(node, NOW, event, usize::MAX);
        }
    }

    /// So much time passes at a node. Whoever can be heard is heard meanwhile: keepalives need no agent.
    pub fn pass(&mut self, node: usize, span: Duration, cut: usize) -> usize {
        let later: Moment = NOW.after(span);
        self.flying.retain(|(_, to, _)| *to != node);
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            if Plane::ALL.into_iter().any(|plane| self.accepts(other, node, plane)) {
                self.happen(node, later, Event::Heard(name(other)), usize::MAX);
            }
        }
        let done = self.happen(node, later, Event::Tick, cut);
        if let Some(agent) = &mut self.node(node).agent {
            agent.stop_clock(NOW);
        }
        done
    }

    /// Lets a node make a mistake from now on.
    pub fn plant(&mut self, node: usize, mistake: Option<Mistake>) {
        if let Some(agent) = &mut self.node(node).agent {
            agent.plant(mistake);
        }
    }

    /// The machine comes back from a snapshot that was taken when it had just joined.
    pub fn restore_disk(&mut self, node: usize) {
        self.lose(node);
        self.boot(node);
        let here = self.node(node);
        let (disk, store) = here.snapshot.clone().unwrap();
        (here.disk, here.store, here.excused) = (Some(disk), store, true);
    }

    pub fn request(&mut self, request: &Request) {
        for node in 0..self.nodes.len() {
            self.happen(node, NOW, Event::Requested(request.clone()), usize::MAX);
        }
    }

    pub fn rotate(&mut self, from: u64) {
        self.request(&Request::All { from: Epoch::new(from).unwrap(), fresh: false, force: false });
    }

    /// Everybody reaches everybody, nobody waits, and keys are those of this epoch and the next.
    pub fn assert_stands(&self, epoch: u64) {
        assert_eq!(self.lost, None);
        assert_eq!(self.mesh.get(), epoch);
        for node in &self.nodes {
            let published = node.written.last().unwrap();
            assert!(published.is_settled(self.mesh), "{published:#?}");
            assert!(node.agent.as_ref().is_some_and(|agent| agent.is_idle()), "{node:#?}");
        }
        for (from, to) in self.pairs() {
            assert!(self.arrives(from, to), "{} does not reach {}", name(from), name(to));
            assert_eq!(self.nodes[from].kernel.routes[&name(to)], self.mesh.plane());
        }
    }
}
