//! Random packets through random clusters: the real programs, on the tables that the compiler makes, against a slow oracle
//! that shares no code with either. Needs root.
//!
//! `RINGFENCE_LONG=1`: millions of packets. `RINGFENCE_PACKETS=N` sends as many; `RINGFENCE_SEED=S` begins there;
//! `RINGFENCE_TRACE=1` prints every journey.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its data shall fail")]

use ringfence::policy::Compiler;
use ringfence::testrun::in_private_namespace;
use ringfence_integration::effort::effort;
use ringfence_integration::packets::exchange::{Exchange, IFINDEXES, Tally};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const PACKETS: u64 = 100_000;
const LONG: u64 = 3_000_000;
/// Packets between two lines of progress.
const PROGRESS: usize = 250_000;
/// Packets of one cluster.
const EACH: usize = 240;
/// Each keeps programs of its own; more only wait for each other.
const THREADS: usize = 2;

#[test]
fn every_packet_fares_as_the_oracle_says() {
    let wanted = effort("RINGFENCE_PACKETS", PACKETS, LONG) as usize;
    let (seed, compared) = (AtomicU64::new(effort("RINGFENCE_SEED", 0, 0)), AtomicUsize::new(0));
    let work = || {
        in_private_namespace(IFINDEXES, || {
            let (mut total, mut wrong) = (Tally::default(), Vec::new());
            let mut exchange = Exchange::new(&Compiler::default);
            while compared.load(Ordering::Relaxed) < wanted && wrong.is_empty() {
                let (tally, mismatch) = exchange
                    .run(seed.fetch_add(1, Ordering::Relaxed), EACH)
                    .unwrap_or_else(|e| panic!("{e:#}"));
                let before = compared.fetch_add(tally.compared(), Ordering::Relaxed);
                if before / PROGRESS < (before + tally.compared()) / PROGRESS {
                    println!("{before} packets compared");
                }
                total.add(&tally);
                wrong.extend(mismatch);
            }
            Ok((total, wrong))
        })
        .unwrap_or_else(|e| panic!("{e}"))
    };
    let done: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let mut total = Tally::default();
    done.iter().for_each(|(tally, _)| total.add(tally));
    println!("{} packets, {} compared, {} hook runs", total.sent(), total.compared(), total.hooks);
    for (rule, [yes, no, maybe, lost]) in &total.rules {
        println!("  {rule}: {yes} must arrive ({lost} lost on the way), {no} must not, {maybe} may");
    }
    for (end, count) in &total.ends {
        println!("  {count:>8} {end}");
    }
    let wrong: Vec<_> = done.iter().flat_map(|(_, wrong)| wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.iter().map(|w| w.report.as_str()).collect::<Vec<_>>().join("\n"));
    assert!(total.compared() >= wanted);
    balanced(&total);
}

/// A comparison that never reaches a rule, or nearly always finds that anything may happen, shows nothing.
fn balanced(total: &Tally) {
    let maybe: usize = total.rules.values().map(|r| r[2]).sum();
    assert!(maybe * 12 < total.sent(), "{maybe} of {} packets may fare anyhow", total.sent());
    let lost: usize = total.rules.values().map(|r| r[3]).sum();
    assert!(lost * 20 < total.sent(), "{lost} of {} packets were lost by the network", total.sent());
}
