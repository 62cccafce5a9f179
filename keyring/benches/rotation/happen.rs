//! What becomes of what happens: who hears of it, and when.

use ringfence_keyring::rotation::{Event, Word};
use ringfence_keyring::{Plane, PublicKey};

use crate::mesh::{Happening, KEEPALIVE, Mesh, PROBE, Presence, TICK};

impl Mesh {
    pub(crate) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Event(index, event) => {
                self.nodes[index].counts.reads += u64::from(matches!(event, Event::Read(_)));
                self.event(index, event);
            }
            Happening::Tick(index) => {
                self.after(TICK, Happening::Tick(index));
                self.event(index, Event::Tick);
            }
            Happening::Keepalives(index) => {
                self.after(KEEPALIVE, Happening::Keepalives(index));
                for other in 0..self.nodes.len() {
                    if other != index && self.nodes[other].presence != Presence::Down {
                        self.event(index, Event::Heard(self.nodes[other].state.node().clone()));
                    }
                }
            }
            Happening::Written(index, published) => {
                self.event(index, Event::Published(published.serial));
                for other in (0..self.nodes.len()).filter(|other| *other != index) {
                    let span = self.delays.watch();
                    self.after(span, Happening::Event(other, Event::Read(published.clone())));
                }
            }
            Happening::Probed { from, to, plane, ours, theirs } => {
                let peer = self.nodes[to].state.node().clone();
                let back = self.delays.network();
                if self.accepts(from, to, plane, (ours, theirs)) && !self.delays.is_lost() {
                    let answered = Event::ProbeAnswered { peer, plane, ours, theirs };
                    self.after(back, Happening::Event(from, answered));
                } else {
                    self.after(PROBE, Happening::Event(from, Event::ProbeUnanswered { peer, plane }));
                }
            }
            Happening::Said { from, to, word } => self.said(from, to, word),
        }
    }

    fn said(&mut self, from: usize, to: usize, word: Word) {
        let key = |node: usize| self.nodes[node].state.key(word.on).map(|key| key.public);
        let (Some(ours), Some(theirs)) = (key(from), key(to)) else { return };
        if !self.accepts(from, to, word.on, (ours, theirs)) || self.delays.is_lost() {
            return;
        }
        let (sender, receiver) = (self.nodes[from].state.node().clone(), self.nodes[to].state.node().clone());
        self.event(to, Event::Word { from: sender.clone(), word });
        let back = self.delays.network();
        self.after(back, Happening::Event(from, Event::Told { peer: receiver.clone(), word }));
        if let Some(answer) = self.nodes[to].state.word_for(&sender) {
            self.after(back, Happening::Event(from, Event::Word { from: receiver, word: answer }));
        }
    }

    /// Whether both ends hold each other's keys there, and an agent answers.
    fn accepts(&self, from: usize, to: usize, plane: Plane, (ours, theirs): (PublicKey, PublicKey)) -> bool {
        let (sender, receiver) = (&self.nodes[from], &self.nodes[to]);
        receiver.presence == Presence::Up
            && receiver.state.key(plane).is_some_and(|key| key.public == theirs)
            && receiver.state.peer(sender.state.node(), plane) == Some(ours)
            && sender.state.peer(receiver.state.node(), plane) == Some(theirs)
    }
}
