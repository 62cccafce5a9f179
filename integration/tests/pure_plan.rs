//! Plans carried out step by step: what is allowed before and after is allowed at every moment in between, what is denied
//! before and after is denied; also to a program that is held up between its look-ups.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its data shall fail")]

mod model;

use model::evolve::Life;
use model::moments::{answer, moments, questions, wrong_moment};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ringfence::plan::datapath::{Action, plan};
use ringfence::policy::Compiler;
use ringfence::policy::tables::Tables;
use ringfence_abi::{Config, PolicyValue};
use ringfence_integration::effort::effort;
use std::collections::BTreeSet;

/// Clusters followed, unless RINGFENCE_LIVES says otherwise; and where RINGFENCE_LONG is set.
const LIVES: u64 = 40;
const LONG: u64 = 300;
const STEPS: usize = 12;

#[derive(Default)]
struct Tally {
    plans: usize,
    kept: usize,
    passing: usize,
    graces: usize,
}

fn check(
    place: &str,
    before: &Tables,
    after: &Tables,
    config: &mut Config,
    dice: &mut StdRng,
    tally: &mut Tally,
) {
    let made = plan(before, after, config);
    let actions: Vec<Action> = made.actions().cloned().collect();
    let generation = config.generation;
    let moments = moments(before, &actions, config);
    assert_eq!(moments.last().unwrap().tables, *after, "{place}: the plan does not lead there");
    assert!(plan(after, after, config).is_empty(), "{place}: something is left to do");
    assert!(
        actions.is_empty() || config.generation != generation,
        "{place}: flows need not prove themselves"
    );
    let isolated = after.endpoints.values().any(|e| e.ingress_profile | e.egress_profile != 0);
    assert_eq!(isolated, config.flags & Config::ANY_ISOLATED != 0, "{place}");
    let peak = made.peak(before);
    let most = |len: fn(&Tables) -> usize| moments.iter().map(|m| len(&m.tables)).max().unwrap();
    assert!(
        peak.policy >= most(|t| t.policy.len()) && peak.addresses >= most(|t| t.addresses.len()),
        "{place}"
    );
    assert!(
        peak.prefixes >= most(|t| t.prefixes.len()) && peak.services >= most(|t| t.services.len()),
        "{place}"
    );
    let asks = questions(before, after, dice);
    let enforced = &moments[made.enforce.len()].tables;
    for ask in &asks {
        let (now, will) = (answer(*ask, enforced, enforced, enforced), answer(*ask, after, after, after));
        assert_eq!(now, will, "{place}: {ask:?} is not in force");
    }
    let (kept, wrong) = wrong_moment(&asks, &moments, dice);
    assert!(wrong.is_none(), "{place}: {}", wrong.unwrap_or_default());
    tally.plans += usize::from(!actions.is_empty());
    tally.kept += kept;
    tally.graces += actions.iter().filter(|a| **a == Action::Grace).count();
    let passing = |t: &Tables| t.addresses.values().any(|v| v.class >= ringfence::plan::FIRST_PASSING);
    tally.passing += usize::from(moments.iter().any(|m| passing(&m.tables)));
}

/// Follows one cluster; `each` is given the tables before and after every step.
fn follow(seed: u64, mut each: impl FnMut(usize, &Tables, &Tables)) {
    let mut life = Life::new(seed);
    let mut compiler = Compiler::default();
    let mut before = Tables::default();
    for step in 0..STEPS {
        let local = life.local();
        let out = compiler.compile(&life.snapshot, &local);
        each(step, &before, &out.tables);
        before = (*out.tables).clone();
        // Sometimes the executor is behind.
        if step % 3 != 2 {
            compiler.applied(out.revision);
        }
        life.step();
    }
}

#[test]
fn no_moment_of_a_plan_is_wrong() {
    let lives = effort("RINGFENCE_LIVES", LIVES, LONG);
    let mut tally = Tally::default();
    for seed in 0..lives {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut config = Config { wireguard_ports: [1, 2], ..Config::default() };
        follow(seed, |step, before, after| {
            check(&format!("seed {seed} step {step}"), before, after, &mut config, &mut dice, &mut tally);
            assert_eq!(config.wireguard_ports, [1, 2]);
        });
    }
    let Tally { plans, kept, passing, graces } = tally;
    println!(
        "{plans} plans, {passing} with passing classes, {graces} grace periods, {kept} questions about what stays"
    );
    assert!(kept > 10_000 && passing > 20 && graces > 100, "too little was tried");
}

/// The same check finds plans that are carried out in another order, or without waiting.
#[test]
fn a_plan_carried_out_backwards_or_without_its_grace_periods_is_found_wrong() {
    let (mut backwards, mut impatient, mut plans) = (0, 0, 0);
    for seed in 0..LIVES / 2 {
        let mut dice = StdRng::seed_from_u64(seed);
        follow(seed, |_, before, after| {
            let actions: Vec<Action> = plan(before, after, &Config::default()).actions().cloned().collect();
            let asks = questions(before, after, &mut dice);
            let mut found = |actions: Vec<Action>| {
                let moments = moments(before, &actions, &mut Config::default());
                let last = &moments.last().unwrap().tables;
                // Carried out backwards, what was written several times ends up wrong: that is no moment in between.
                let same = last.addresses == after.addresses && last.endpoints == after.endpoints;
                usize::from(
                    same && last.policy == after.policy
                        && wrong_moment(&asks, &moments, &mut dice).1.is_some(),
                )
            };
            plans += usize::from(!actions.is_empty());
            backwards += found(actions.iter().rev().cloned().collect());
            impatient += found(actions.into_iter().filter(|a| *a != Action::Grace).collect());
        });
    }
    println!("of {plans} plans, {backwards} were found backwards and {impatient} impatient");
    assert!(backwards > 10 && impatient > 3);
}

#[test]
fn a_plan_that_was_cut_off_anywhere_is_taken_up_by_a_new_compiler() {
    let mut dice = StdRng::seed_from_u64(11);
    let mut tally = Tally::default();
    for seed in 100..100 + LIVES / 2 {
        let mut life = Life::new(seed);
        let local = life.local();
        let mut compiler = Compiler::default();
        let before = compiler.compile(&life.snapshot, &local);
        compiler.applied(before.revision);
        life.step();
        let local = life.local();
        let after = compiler.compile(&life.snapshot, &local);
        let mut config = Config { generation: 5, ..Config::default() };
        let made = plan(&before.tables, &after.tables, &config);
        let count = made.actions().count();
        let mut observed = (*before.tables).clone();
        for action in made.actions().take(dice.random_range(0..=count)) {
            action.apply_to(&mut observed, &mut config);
        }
        life.step();
        let local = life.local();
        let fresh = Compiler::starting_after(&observed).compile(&life.snapshot, &local);
        for (index, bitmap) in &fresh.tables.bitmaps {
            let same = observed.bitmaps.get(index).is_none_or(|b| b == bitmap);
            assert!(same, "seed {seed}: bitmap {index} is in use for something else");
        }
        let numbers = |t: &Tables| t.policy.keys().map(|k| k.profile).collect::<BTreeSet<_>>();
        assert!(numbers(&fresh.tables).is_disjoint(&numbers(&observed)), "seed {seed}: profiles given again");
        check(&format!("seed {seed}"), &observed, &fresh.tables, &mut config, &mut dice, &mut tally);
    }
    assert!(tally.kept > 500, "too little was tried");
}

#[test]
fn an_entry_that_is_asked_never_changes_under_a_bitmap() {
    for seed in 200..200 + LIVES / 2 {
        let mut life = Life::new(seed);
        let mut compiler = Compiler::default();
        let (mut before, config) = (Tables::default(), Config::default());
        for step in 0..STEPS {
            let local = life.local();
            let out = compiler.compile(&life.snapshot, &local);
            for action in plan(&before, &out.tables, &config).actions() {
                if let Action::PutBitmap(index, bitmap) = action {
                    let used = |v: &PolicyValue| [v.tcp, v.udp, v.sctp].contains(index);
                    let known = before.bitmaps.get(index).is_some_and(|b| b != bitmap);
                    assert!(!known || !before.policy.values().any(used), "seed {seed} step {step}: {index}");
                }
            }
            before = (*out.tables).clone();
            if step % 2 == 0 {
                compiler.applied(out.revision);
            }
            life.step();
        }
    }
}
