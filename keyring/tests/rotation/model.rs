//! Every interleaving of a small world: what may happen next, and what must hold.

use std::sync::{Arc, Mutex};

use ringfence_keyring::Epoch;
use ringfence_keyring::rotation::{Event, Mistake};
use stateright::{Model, Property};

use crate::ways::{Ways, print};
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
