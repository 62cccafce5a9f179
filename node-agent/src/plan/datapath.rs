//! From the tables that the kernel holds to those it shall hold, in an order in which no moment is wrong: whatever a
//! local pod may reach (or be reached by) before and after, it may at every moment in between, and whatever it may not
//! before and after, it may not.
//!
//! A verdict stands on two entries: the pod's profile and the other end's class. Where only one of them changes in a
//! plan, each flip goes straight from before to after:
//! 1. port sets and policy entries that nobody looks up yet are added;
//! 2. addresses, prefixes, Services and the pods' own classes flip;
//! 3. pods flip to their profiles, entries that are in use change, the generation is raised: all is in force;
//! 4. after a grace period, in which programs end that still hold an old number, what is left over is removed.
//!
//! Where both change, neither order would do: an address in its new class would be judged by the old policy as if it had
//! always been there. So in step 2 it goes to a *passing* class, for which old profiles say what they said of it before
//! and new ones what they will say; step 3 changes what is said in place; and between two grace periods it goes on to
//! the class it was to have. Where a class has only one predecessor, or one successor, that class itself serves. A pod
//! that leaves a profile which turns for others waits in a *stand-in* that says what the profile said before.

mod action;
mod endpoints;
mod entries;
mod meaning;
mod passing;
mod places;
mod prefixes;
mod standins;

pub use action::{Action, Peak};

use crate::policy::tables::Tables;
use endpoints::Endpoints;
use passing::Passing;
use ringfence_abi::Config;
use standins::Standins;
use std::collections::HashSet;

/// Class and profile numbers from here on belong to a plan: they are gone when it has been carried out.
pub const FIRST_PASSING: u32 = 1 << 31;

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// After these what is desired is in force.
    pub enforce: Vec<Action>,
    /// What then is left over, to be removed after a grace period. May follow later, but before the next plan.
    pub retire: Vec<Action>,
}

/// The steps of a plan while it is made.
#[derive(Debug, Default)]
struct Steps {
    /// Nobody looks at these yet.
    add: Vec<Action>,
    /// Classes of places flip.
    flip: Vec<Action>,
    /// Policy flips.
    turn: Vec<Action>,
    /// Places go on from passing classes.
    settle: Vec<Action>,
    /// Nobody looks at these any more.
    remove: Vec<Action>,
}

impl Plan {
    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.enforce.is_empty() && self.retire.is_empty()
    }

    /// All of it in order.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.enforce.iter().chain(&self.retire)
    }
}

/// The way from `observed` to `desired`. `config` is the present one; its ports are kept.
///
/// Port sets never change under an index that `observed` has in use: `policy::Compiler` sees to that, if it was told what
/// was observed ([`starting_after`](crate::policy::Compiler::starting_after)) and which plans were carried out
/// ([`applied`](crate::policy::Compiler::applied)).
pub fn plan(observed: &Tables, desired: &Tables, config: &Config) -> Plan {
    let endpoints = Endpoints::new(observed, desired);
    let places = places::moves(observed, desired, &endpoints);
    let old = entries::Side::new(observed);
    let new = entries::Side::new(desired);
    let straight = !endpoints.any_turns && !entries::any_turns(&old, &new);
    let passing = match straight {
        true => Passing::straight(),
        false => Passing::new(places.pairs(), &old, &new),
    };
    let mut steps = Steps::default();
    for (index, bitmap) in &desired.bitmaps {
        if observed.bitmaps.get(index) != Some(bitmap) {
            steps.add.push(Action::PutBitmap(*index, bitmap.clone()));
        }
    }
    entries::steps(&old, &new, &passing, &mut steps);
    places.steps(&passing, straight, &mut steps);
    let standins = Standins::new(&endpoints.left(), &old, &passing, &mut steps);
    endpoints.steps(&passing, &standins, straight, &mut steps);
    let unused = observed.bitmaps.keys().filter(|index| !desired.bitmaps.contains_key(index));
    steps.remove.extend(unused.map(|index| Action::ClearBitmap(*index)));
    // Somebody may still be about to ask with a number that its pod or address has just left.
    let left: HashSet<u32> = passing.left().collect();
    let asked = |action: &Action| matches!(action, Action::PutPolicy(key, _) | Action::RemovePolicy(key) if left.contains(&key.class));
    let wait = !standins.is_empty()
        || passing.keys_appear()
        || (!steps.flip.is_empty() && steps.turn.iter().any(asked));
    assemble(steps, (places.transit(&passing), wait), (observed, desired), config)
}

fn assemble(
    steps: Steps,
    (transit_meanwhile, wait): ([u32; 2], bool),
    (observed, desired): (&Tables, &Tables),
    config: &Config,
) -> Plan {
    let isolated = |t: &Tables| t.endpoints.values().any(|e| e.ingress_profile | e.egress_profile != 0);
    let any = |yes: bool| if yes { Config::ANY_ISOLATED } else { 0 };
    let transit = |classes: [u32; 2], flags: u32, generation: u32| Config {
        generation,
        transit_class_v4: classes[0],
        transit_class_v6: classes[1],
        flags: (config.flags & !Config::ANY_ISOLATED) | flags,
        ..*config
    };
    let present = transit(observed.transit_class, config.flags & Config::ANY_ISOLATED, config.generation);
    let meanwhile = any(isolated(observed) || isolated(desired));
    let first = transit(transit_meanwhile, meanwhile, config.generation);
    let last_flags = any(isolated(desired));
    let nothing =
        [&steps.add, &steps.flip, &steps.turn, &steps.settle, &steps.remove].iter().all(|s| s.is_empty());
    if nothing && *config == transit(desired.transit_class, last_flags, config.generation) {
        return Plan::default();
    }
    let second = Config { generation: config.generation.wrapping_add(1), ..first };
    let last = transit(desired.transit_class, last_flags, second.generation);

    let mut enforce = steps.add;
    enforce.extend((first != present || first != *config).then_some(Action::SetConfig(first)));
    enforce.extend(steps.flip);
    enforce.extend(wait.then_some(Action::Grace));
    enforce.extend(steps.turn);
    enforce.push(Action::SetConfig(second));
    let mut retire = Vec::new();
    if !steps.settle.is_empty() || last != second {
        retire.push(Action::Grace);
        retire.extend(steps.settle);
        retire.extend((last != second).then_some(Action::SetConfig(last)));
    }
    if !steps.remove.is_empty() {
        retire.push(Action::Grace);
        retire.extend(steps.remove);
    }
    Plan { enforce, retire }
}
