//! Plans carried out step by step: what is allowed before and after is allowed at every moment in between, what is denied
//! before and after is denied; also to a program that is held up between its look-ups.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its data shall fail")]

mod model;

use model::evolve::Life;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ringfence::plan::datapath::{Action, plan};
use ringfence::policy::Compiler;
use ringfence::policy::tables::Tables;
use ringfence_abi::{AddressKind, Config, EndpointValue, PolicyValue, ServiceKey};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Clusters followed, unless RINGFENCE_PLAN_LIVES says otherwise.
const LIVES: u64 = 40;
const STEPS: usize = 12;

/// One question to the tables of a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Ask {
    /// May the pod behind this ifindex (the sandbox with this number) send to the address?
    To(u32, u32, IpAddr, u8, u16),
    /// May the address send to the pod?
    From(u32, u32, IpAddr, u8, u16),
    /// May another pod send to it (by the class in its own entry)?
    Pod(u32, u32, u32, bool, u8, u16),
    /// May what a node masqueraded reach it?
    Transit(u32, u32, bool, u8, u16),
    /// Does the Service leave it alone?
    Service(u32, u32, ServiceKey),
}

/// The same question to the tables of three moments: a program looks the pod up first, then the class, then policy.
fn answer(ask: Ask, pod: &Tables, class: &Tables, policy: &Tables) -> bool {
    let alive = |ifindex: u32, id: u32| {
        let found = pod.endpoints.get(&ifindex).filter(|e| e.id == id);
        found.filter(|e| e.flags & EndpointValue::DENY_ALL == 0)
    };
    let permits = |profile: u32, class: u32, protocol, port| {
        profile == 0 || policy.permits(profile, class, protocol, port)
    };
    match ask {
        Ask::To(ifindex, id, address, protocol, port) => alive(ifindex, id).is_some_and(|e| {
            let found = class.locate(address);
            found.kind == AddressKind::ThisNode || permits(e.egress_profile, found.class, protocol, port)
        }),
        Ask::From(ifindex, id, address, protocol, port) => alive(ifindex, id)
            .is_some_and(|e| permits(e.ingress_profile, class.locate(address).class, protocol, port)),
        Ask::Pod(ifindex, id, other, v6, protocol, port) => alive(ifindex, id).is_some_and(|e| {
            let from = class.endpoints.get(&other).map(|o| if v6 { o.class_v6 } else { o.class_v4 });
            from.is_some_and(|from| permits(e.ingress_profile, from, protocol, port))
        }),
        Ask::Transit(ifindex, id, v6, protocol, port) => alive(ifindex, id).is_some_and(|e| {
            permits(e.ingress_profile, class.transit_class[usize::from(v6)], protocol, port)
        }),
        Ask::Service(ifindex, id, key) => {
            alive(ifindex, id).is_some_and(|e| match class.services.get(&key) {
                Some(value) if value.class == 0 => true,
                Some(value) => permits(e.egress_profile, value.class, key.protocol, 0),
                None => {
                    let found = class.locate(key.addr.into());
                    found.kind == AddressKind::ThisNode
                        || permits(e.egress_profile, found.class, key.protocol, u16::from_be(key.port))
                }
            })
        }
    }
}

/// Ports at which some set begins or ends, and one that hardly any names.
fn ports(tables: [&Tables; 2]) -> Vec<u16> {
    let mut found = BTreeSet::from([9]);
    for bitmap in tables.iter().flat_map(|t| t.bitmaps.values()) {
        let has = |p: u16| ringfence::policy::bitmap_has(bitmap, p);
        found.extend((1..=u16::MAX).filter(|p| has(*p) != has(p - 1)).take(4));
    }
    found.into_iter().collect()
}

fn questions(before: &Tables, after: &Tables, dice: &mut StdRng) -> Vec<Ask> {
    let mut addresses: BTreeSet<IpAddr> =
        before.addresses.keys().chain(after.addresses.keys()).map(|a| IpAddr::from(*a)).collect();
    for network in before.prefixes.keys().chain(after.prefixes.keys()) {
        addresses.extend([network.network(), network.broadcast()]);
    }
    // An address that begins or ceases to be the node's own is not asked about: nobody talks to it across that change.
    let own = |t: &Tables, a: &IpAddr| t.locate(*a).kind == AddressKind::ThisNode;
    let addresses: Vec<IpAddr> = addresses.into_iter().filter(|a| own(before, a) == own(after, a)).collect();
    let keys: BTreeSet<ServiceKey> = before.services.keys().chain(after.services.keys()).copied().collect();
    let keys: Vec<ServiceKey> = keys.into_iter().filter(|k| k.protocol != 0).collect();
    let ports = ports([before, after]);
    let same = |(i, e): &(&u32, &EndpointValue)| after.endpoints.get(i).is_some_and(|o| o.id == e.id);
    let pods: Vec<_> = before.endpoints.iter().filter(same).map(|(i, e)| (*i, e.id)).collect();
    let mut out = Vec::new();
    if pods.is_empty() {
        return out;
    }
    for _ in 0..80 {
        let (ifindex, id) = pods[dice.random_range(0..pods.len())];
        let (other, _) = pods[dice.random_range(0..pods.len())];
        let address = addresses[dice.random_range(0..addresses.len())];
        let port = ports[dice.random_range(0..ports.len())];
        let protocol = [6, 17, 132, 1][dice.random_range(0..4)];
        let v6 = dice.random_bool(0.5);
        out.push(match dice.random_range(0..10) {
            0..4 => Ask::To(ifindex, id, address, protocol, port),
            4..7 => Ask::From(ifindex, id, address, protocol, port),
            7 => Ask::Pod(ifindex, id, other, v6, protocol, port),
            8 if !keys.is_empty() => Ask::Service(ifindex, id, keys[dice.random_range(0..keys.len())]),
            _ => Ask::Transit(ifindex, id, v6, protocol, port),
        });
    }
    out.sort();
    out.dedup();
    out
}

/// The tables after each action, and which grace period each moment lies behind.
fn moments(before: &Tables, actions: &[Action], config: &mut Config) -> Vec<(Tables, usize)> {
    let mut tables = before.clone();
    let mut graces = 0;
    let mut out = vec![(tables.clone(), graces)];
    for action in actions {
        action.apply_to(&mut tables, config);
        graces += usize::from(*action == Action::Grace);
        out.push((tables.clone(), graces));
    }
    out
}

struct Tally {
    asked: usize,
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
    let (last, _) = moments.last().unwrap();
    assert_eq!(last, after, "{place}: the plan does not lead there");
    assert!(plan(after, after, config).is_empty(), "{place}: something is left to do");
    assert!(
        actions.is_empty() || config.generation != generation,
        "{place}: flows need not prove themselves"
    );
    let isolated = after.endpoints.values().any(|e| e.ingress_profile | e.egress_profile != 0);
    assert_eq!(isolated, config.flags & Config::ANY_ISOLATED != 0, "{place}");
    let peak = made.peak(before);
    let most = |len: fn(&Tables) -> usize| moments.iter().map(|(t, _)| len(t)).max().unwrap();
    assert!(
        peak.policy >= most(|t| t.policy.len()) && peak.addresses >= most(|t| t.addresses.len()),
        "{place}"
    );
    assert!(
        peak.prefixes >= most(|t| t.prefixes.len()) && peak.services >= most(|t| t.services.len()),
        "{place}"
    );
    let enforced = moments.get(made.enforce.len()).unwrap();
    tally.graces += actions.iter().filter(|a| **a == Action::Grace).count();
    tally.passing +=
        moments.iter().flat_map(|(t, _)| t.addresses.values()).any(|v| v.class >= 1 << 31) as usize;
    for ask in questions(before, after, dice) {
        let (was, will) = (answer(ask, before, before, before), answer(ask, after, after, after));
        tally.asked += 1;
        let now = answer(ask, &enforced.0, &enforced.0, &enforced.0);
        assert_eq!(now, will, "{place}: {ask:?} is not in force");
        if was != will {
            continue;
        }
        tally.kept += 1;
        for (i, (tables, grace)) in moments.iter().enumerate() {
            let now = answer(ask, tables, tables, tables);
            assert_eq!(now, was, "{place}: {ask:?} after {i}: {:?}", actions.get(i.wrapping_sub(1)));
            if !dice.random_bool(0.3) {
                continue;
            }
            // A program that looked the pod up here may be held up, but not across a grace period.
            let later = moments[i..].iter().take_while(|(_, g)| g == grace).count();
            let second = i + dice.random_range(0..later);
            let third = second + dice.random_range(0..later - (second - i));
            let slow = answer(ask, tables, &moments[second].0, &moments[third].0);
            assert_eq!(slow, was, "{place}: {ask:?} held up: looked up at {i}, {second} and {third}");
        }
    }
}

#[test]
fn no_moment_of_a_plan_is_wrong() {
    let mut tally = Tally { asked: 0, kept: 0, passing: 0, graces: 0 };
    let mut turned = 0;
    let lives = std::env::var("RINGFENCE_PLAN_LIVES").map_or(LIVES, |n| n.parse().unwrap());
    for seed in 0..lives {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut life = Life::new(seed);
        let mut compiler = Compiler::default();
        let mut before = Tables::default();
        let mut config = Config { wireguard_ports: [1, 2], ..Config::default() };
        for step in 0..STEPS {
            let local = life.local();
            let out = compiler.compile(&life.snapshot, &local);
            let place = format!("seed {seed} step {step}");
            check(&place, &before, &out.tables, &mut config, &mut dice, &mut tally);
            assert_eq!(config.wireguard_ports, [1, 2]);
            turned += usize::from(*out.tables != before);
            before = (*out.tables).clone();
            compiler.applied(out.revision);
            life.step();
        }
    }
    println!(
        "{turned} plans: {} questions, {} about what stays; {} with passing classes",
        tally.asked, tally.kept, tally.passing
    );
    assert!(tally.kept > 10_000 && tally.passing > 20 && tally.graces > 100, "too little was tried");
}

#[test]
fn a_plan_that_was_cut_off_anywhere_is_taken_up_by_a_new_compiler() {
    let mut dice = StdRng::seed_from_u64(11);
    let mut tally = Tally { asked: 0, kept: 0, passing: 0, graces: 0 };
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
