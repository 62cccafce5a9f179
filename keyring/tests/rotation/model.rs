//! Every interleaving of a small world: what may happen next, and what must hold.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringfence_keyring::rotation::{Event, LINGER, Mistake, Request, SILENCE};
use ringfence_keyring::{Epoch, Plane};
use stateright::{Model, Property};

use crate::world::{NOW, World, name, uid};

/// A small world, and how much may go wrong in it.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    pub what: &'static str,
    pub nodes: usize,
    /// The epoch that requests want the mesh to reach.
    pub goal: u64,
    pub fresh: bool,
    /// Nodes whose own keys are asked for.
    pub turns: Vec<usize>,
    /// The node whose agent is killed, and how often, between any two of its actions.
    pub killed: usize,
    pub kills: u8,
    /// The node that loses power, whether it does, and whether it boots again.
    pub loser: usize,
    pub losses: u8,
    pub boots: u8,
    /// The last node joins when it likes.
    pub joins: bool,
    /// The mesh's object goes back to epoch 0.
    pub restores: u8,
    /// A disk goes back to what it was at the beginning, with its machine.
    pub old_disks: u8,
    /// The node that is revoked.
    pub revokes: Option<usize>,
    /// Also what was read before is read again, and older things: tells of faults only if that changes anything.
    pub rereads: bool,
    /// Ticks without ten seconds before them.
    pub ticks: bool,
    pub mistake: Option<Mistake>,
    /// Every move from one state to another, if anybody wants to know.
    pub ways: Option<Arc<Mutex<Ways>>>,
}

/// From state to state, by their hashes.
pub type Ways = Vec<(u64, u64)>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Checked {
    pub world: World,
    pub kills: u8,
    pub losses: u8,
    pub boots: u8,
    pub restores: u8,
    pub old_disks: u8,
    pub joins: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    ReadMesh(usize, u64),
    Read(usize, usize, usize),
    Judge(usize),
    /// All that the API holds is read, and known to be all.
    List(usize),
    Answer(usize, usize),
    Hear(usize, usize),
    Tick(usize),
    TenSeconds(usize),
    ThreeMinutes(usize),
    /// Any of the above, and the agent is killed after so many actions.
    Killed(Box<Move>, usize),
    Kill(usize),
    Start(usize, usize),
    LosePower(usize),
    Boot(usize),
    Join,
    RestoreMesh,
    OldDisk(usize),
}

impl Scenario {
    fn requests(&self, world: &mut World, node: usize) {
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
                (node, Event::Judged { node: name(of), uid: uid(of, life), number: 1, revoked: true })
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
    fn carry_out(&self, world: &mut World, action: &Move, cut: usize) -> Option<usize> {
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

    fn moves_of(&self, checked: &Checked, node: usize, moves: &mut Vec<Move>) {
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
    fn has_ended(&self, world: &World) -> bool {
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

fn print(checked: &Checked) -> u64 {
    let mut hasher = DefaultHasher::new();
    checked.hash(&mut hasher);
    hasher.finish()
}

/// Whether no way leads back to where it began. Only then does "every end is a good one" say that every way, whatever
/// it takes, comes to a good end.
pub fn leads_on(ways: &mut Ways) -> bool {
    ways.sort_unstable();
    ways.dedup();
    let mut arriving: HashMap<u64, u32> = HashMap::new();
    for (from, to) in &*ways {
        arriving.entry(*from).or_default();
        *arriving.entry(*to).or_default() += 1;
    }
    let mut free: Vec<u64> =
        arriving.iter().filter(|(_, count)| **count == 0).map(|(state, _)| *state).collect();
    let mut left = arriving.len();
    while let Some(state) = free.pop() {
        left -= 1;
        let first = ways.partition_point(|(from, _)| *from < state);
        for (_, to) in ways[first..].iter().take_while(|(from, _)| *from == state) {
            if let Some(count) = arriving.get_mut(to) {
                *count -= 1;
                if *count == 0 {
                    free.push(*to);
                }
            }
        }
    }
    left == 0
}

impl Model for Scenario {
    type State = Checked;
    type Action = Move;

    fn init_states(&self) -> Vec<Checked> {
        let mut world = World::of(self.nodes, None);
        if self.joins {
            world.node(self.nodes - 1).member = false;
        }
        for node in 0..self.nodes - usize::from(self.joins) {
            world.start(node, usize::MAX);
        }
        world.settle();
        world.take_snapshots();
        for node in 0..self.nodes - usize::from(self.joins) {
            world.plant(node, self.mistake);
            self.requests(&mut world, node);
        }
        world.mistake = self.mistake;
        world.serials_matter = self.fresh || !self.turns.is_empty() || self.mistake.is_some();
        world.words.clear();
        let &Scenario { kills, losses, boots, restores, old_disks, joins, .. } = self;
        vec![Checked { world, kills, losses, boots, restores, old_disks, joins }]
    }

    fn actions(&self, checked: &Checked, moves: &mut Vec<Move>) {
        let world = &checked.world;
        if world.lost.is_some() {
            return;
        }
        for (index, node) in world.nodes.iter().enumerate() {
            match (&node.agent, node.up) {
                (Some(_), _) => {
                    let from = moves.len();
                    self.moves_of(checked, index, moves);
                    if checked.kills > 0 && index == self.killed {
                        let whole = moves.split_off(from);
                        moves.extend(whole.iter().cloned());
                        for action in whole {
                            let done = self.carry_out(&mut world.clone(), &action, usize::MAX).unwrap_or(0);
                            moves.extend((1..done).map(|cut| Move::Killed(Box::new(action.clone()), cut)));
                        }
                        moves.push(Move::Kill(index));
                    }
                }
                (None, true) if node.member => {
                    moves.push(Move::Start(index, usize::MAX));
                    if checked.kills > 0 && index == self.killed {
                        let done = world.clone().start(index, usize::MAX);
                        moves.extend((1..done).map(|cut| Move::Start(index, cut)));
                    }
                }
                (None, false) if checked.boots > 0 => moves.push(Move::Boot(index)),
                (None, _) => {}
            }
            if checked.losses > 0 && index == self.loser && node.up {
                moves.push(Move::LosePower(index));
            }
            if checked.old_disks > 0 && index + 1 == world.nodes.len() && node.up && node.member {
                moves.push(Move::OldDisk(index));
            }
        }
        if checked.joins {
            moves.push(Move::Join);
        }
        if checked.restores > 0 && world.mesh > Epoch::ZERO {
            moves.push(Move::RestoreMesh);
        }
    }

    fn next_state(&self, before: &Checked, action: Move) -> Option<Checked> {
        let mut checked = before.clone();
        let world = &mut checked.world;
        match action {
            Move::Killed(action, cut) => {
                self.carry_out(world, &action, cut)?;
                let killed = world.nodes.iter().zip(&before.world.nodes);
                let killed = killed.filter(|(now, then)| now.agent.is_none() && then.agent.is_some()).count();
                if killed == 0 {
                    return None;
                }
                checked.kills -= 1;
            }
            Move::Kill(node) => {
                world.kill(node);
                checked.kills -= 1;
            }
            Move::Start(node, cut) => {
                world.start(node, cut);
                if cut == usize::MAX {
                    self.requests(world, node);
                } else if world.nodes[node].agent.is_some() {
                    return None;
                } else {
                    checked.kills -= 1;
                }
            }
            Move::LosePower(node) => {
                world.lose(node);
                checked.losses -= 1;
            }
            Move::Boot(node) => {
                world.boot(node);
                checked.boots -= 1;
            }
            Move::Join => {
                let node = world.nodes.len() - 1;
                world.node(node).member = true;
                for other in 0..node {
                    let joined = Event::Joined { node: name(node), uid: uid(node, 0) };
                    world.happen(other, NOW, joined, usize::MAX);
                }
                checked.joins = false;
            }
            Move::RestoreMesh => {
                world.mesh = Epoch::ZERO;
                checked.restores -= 1;
            }
            Move::OldDisk(node) => {
                world.restore_disk(node);
                checked.old_disks -= 1;
            }
            action => {
                self.carry_out(world, &action, usize::MAX)?;
            }
        }
        if checked == *before {
            return None;
        }
        if let Some(mut ways) = self.ways.as_ref().and_then(|ways| ways.lock().ok()) {
            ways.push((print(before), print(&checked)));
        }
        Some(checked)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing is lost", |_, checked: &Checked| checked.world.lost.is_none()),
            Property::always("whoever waits says for whom", |_, checked: &Checked| {
                checked
                    .world
                    .nodes
                    .iter()
                    .all(|node| node.agent.as_ref().is_none_or(|agent| agent.names_all()))
            }),
            Property::eventually("everything comes to its end", |model: &Scenario, checked: &Checked| {
                model.has_ended(&checked.world)
            }),
        ]
    }
}
