//! Carries the actions of the nodes of a world out, and sees whether anything is lost by one.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use ringfence_keyring::rotation::{Action, Event, NodeName, OwnKey, Remake, Report, Word};
use ringfence_keyring::{Epoch, Plane};

use super::keys::key;
use super::world::{NOW, Node, World, name};

impl World {
    pub fn carry_out(&mut self, node: usize, actions: Vec<Action>, cut: usize) -> usize {
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
        // Killed in the middle of it, it goes on when it starts.
        if self.nodes[node].agent.is_some() && Plane::ALL.into_iter().any(judged) {
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
                if !node.excused
                    && node.made > 0
                    && !matches!(why, Remake::LeftBehind | Remake::Unfinished) =>
            {
                self.lost.get_or_insert(format!("{} makes its keys anew for no reason", name(index)));
            }
            Action::Report(_) | Action::ReplaceRoute { .. } => {}
        }
        None
    }

    /// Whoever leaves a key out of turn may just have begun to: that is no rotation of the mesh. Nor does anybody wait
    /// for a node that cannot be heard.
    fn see_whether_all_had_finished(&mut self, from: Epoch, by: usize) {
        let busy = |(index, node): (usize, &Arc<Node>)| {
            let heard = index == by || Plane::ALL.into_iter().any(|plane| self.accepts(index, by, plane));
            let finished = node.written.last().is_none_or(|written| {
                let epoch = |plane| Some(written.planes.get(plane).epoch);
                epoch(from.plane()) == Some(from) && epoch(from.plane().other()) == from.next()
            });
            heard && node.reached >= from && !finished
        };
        let mended = self.nodes.iter().any(|node| node.reached > from);
        if !mended && self.nodes.iter().enumerate().any(busy) {
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
        let since = self.nodes[to].agent.as_ref().map_or(0, |agent| *agent.record().since.get(word.on));
        let word = if self.serials_matter { word } else { Word { seen: word.seen.min(since), ..word } };
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
