//! What may happen at a node of a small world.

use std::collections::BTreeSet;
use std::time::Duration;

use ringfence_keyring::rotation::{Event, LINGER, Mistake, Request, SILENCE};
use ringfence_keyring::{Epoch, Plane};

use super::model::{Checked, Move, Scenario};
use super::world::{NOW, World, name, uid};

impl Scenario {
    pub fn requests(&self, world: &mut World, node: usize) {
        let fresh = self.fresh;
        let mut requests: Vec<Request> = (0..self.goal)
            .map(|from| Request::All { from: Epoch::new(from).unwrap(), fresh, force: false })
            .collect();
        requests.extend(self.turns.iter().map(|turn| Request::Node {
            node: name(*turn),
            from: 0,
            force: false,
        }));
        for request in requests {
            world.happen(node, NOW, Event::Requested(request), usize::MAX);
        }
    }

    /// The event of a move, and the node where it happens.
    fn event(&self, world: &World, action: &Move) -> Option<(usize, Event)> {
        Some(match *action {
            Move::ReadMesh(node, epoch) => {
                (node, Event::Mesh { epoch: Epoch::new(epoch).ok()?, age: Duration::ZERO })
            }
            Move::Read(node, from, number) => {
                (node, Event::Read(world.nodes[from].written.get(number)?.clone()))
            }
            Move::Judge(node) => {
                let (of, life) = (self.revokes?, 0);
                (
                    node,
                    Event::Judged {
                        node: name(of),
                        uid: uid(of, life),
                        number: 1,
                        revoked: true,
                        keys: BTreeSet::new(),
                    },
                )
            }
            Move::Answer(node, number) => {
                let (peer, plane, ours, theirs, _) = world.nodes[node].probes.iter().nth(number)?.clone();
                (node, Event::ProbeAnswered { peer, plane, ours, theirs })
            }
            Move::Hear(node, number) => {
                let (from, _, word) = *world.words.iter().filter(|(_, to, _)| *to == node).nth(number)?;
                (node, Event::Word { from: name(from), word })
            }
            Move::Tick(node) => (node, Event::Tick),
            Move::List(node) => (node, Event::Listed),
            _ => return None,
        })
    }

    /// Returns how many actions were carried out.
    pub fn carry_out(&self, world: &mut World, action: &Move, cut: usize) -> Option<usize> {
        Some(match *action {
            Move::TenSeconds(node) => {
                let (flying, store) = (world.flying.clone(), world.nodes[node].store);
                let done = world.pass(node, LINGER, cut);
                if world.nodes[node].store == store {
                    // Nothing rested on their having landed: do not tell these worlds apart.
                    world.flying = flying;
                }
                done
            }
            Move::ThreeMinutes(node) => world.pass(node, SILENCE, cut),
            _ => {
                let (node, event) = self.event(world, action)?;
                if let Move::List(node) = *action {
                    for other in (0..world.nodes.len()).filter(|other| *other != node) {
                        if let Some(written) = world.nodes[other].written.last().cloned() {
                            world.happen(node, NOW, Event::Read(written), usize::MAX);
                        }
                    }
                }
                if let (Move::Judge(node), Some(of)) = (action, self.revokes) {
                    world.node(*node).judged.insert(name(of));
                    world.node(of).excused = true;
                }
                if let Move::Answer(node, number) = *action {
                    let probe = world.nodes[node].probes.iter().nth(number)?.clone();
                    world.node(node).probes.remove(&probe);
                }
                let done = world.happen(node, NOW, event, cut);
                if let Some(agent) = &mut world.node(node).agent {
                    agent.stop_clock(NOW);
                }
                done
            }
        })
    }

    pub fn moves_of(&self, checked: &Checked, node: usize, moves: &mut Vec<Move>) {
        let world = &checked.world;
        let here = &world.nodes[node];
        let Some(agent) = &here.agent else { return };
        let all = self.rereads || self.restores > 0 || self.mistake.is_some();
        let epochs = (0..=world.mesh.get()).filter(|epoch| all || *epoch > agent.mesh_epoch().get());
        moves.extend(epochs.map(|epoch| Move::ReadMesh(node, epoch)));
        for (from, other) in world.nodes.iter().enumerate().filter(|(from, _)| *from != node) {
            let taken = agent.taken_in(&other.name);
            let news =
                other.written.iter().enumerate().filter(|(_, written)| all || Some(written.serial) > taken);
            moves.extend(news.map(|(number, _)| Move::Read(node, from, number)));
        }
        if all && !here.written.is_empty() {
            moves.push(Move::Read(node, node, here.written.len() - 1));
        }
        if self.revokes.is_some_and(|revoked| revoked != node) {
            moves.push(Move::Judge(node));
        }
        let answered = here.probes.iter().enumerate().filter(|(_, (.., answered))| *answered);
        moves.extend(answered.map(|(number, _)| Move::Answer(node, number)));
        let words = world.words.iter().filter(|(_, to, _)| *to == node).count();
        moves.extend((0..words).map(|number| Move::Hear(node, number)));
        if !agent.has_listed() {
            moves.push(Move::List(node));
        }
        moves.push(Move::TenSeconds(node));
        if self.ticks {
            moves.push(Move::Tick(node));
        }
        let unheard = |other: usize| !Plane::ALL.into_iter().any(|plane| world.accepts(other, node, plane));
        let silent =
            (0..world.nodes.len()).any(|other| other != node && world.nodes[other].member && unheard(other));
        if silent || self.mistake == Some(Mistake::CutHeardPeer) {
            moves.push(Move::ThreeMinutes(node));
        }
    }

    /// Where everything has come to its end: what was asked for is done, and all who are there reach each other.
    pub fn has_ended(&self, world: &World) -> bool {
        let there =
            |node: usize| world.nodes[node].up && world.nodes[node].member && self.revokes != Some(node);
        let done = world.nodes.iter().enumerate().filter(|(node, _)| there(*node)).all(|(_, node)| {
            let settled = node.written.last().is_some_and(|written| written.is_settled(world.mesh));
            settled && node.agent.as_ref().is_some_and(|agent| agent.is_idle())
        });
        world.mesh.get() == self.goal
            && done
            && world.pairs().all(|(from, to)| !there(from) || !there(to) || world.arrives(from, to))
            && self.turns.iter().all(|turn| {
                !there(*turn) || world.nodes[*turn].written.last().is_some_and(|written| written.turns == 1)
            })
    }
}
