//! The differential can fail: typical mistakes, planted one at a time into the compiler and into the programs themselves,
//! are each found by the same comparison of packets with the oracle, within a bounded number of packets. Needs root.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its data shall fail")]

use ringfence::policy::Compiler;
use ringfence::testrun::{Cluster, in_private_namespace};
use ringfence_abi::mistake;
use ringfence_integration::packets::exchange::{Exchange, IFINDEXES, Mismatch};
use std::sync::Mutex;

/// Within how many packets a mistake must be found: as many as the differential sends in CI.
const PACKETS: usize = 100_000;
/// Packets that go by without a mistake, as it is planted or not.
const CLEAN: usize = 20_000;
/// Packets of one cluster.
const EACH: usize = 240;
const THREADS: usize = 2;

#[derive(Clone, Copy, Debug)]
enum Planted {
    Nothing,
    /// The compiler's tables are those of somebody who misreads the API.
    Compiler(ringfence::policy::Mistake),
    /// The programs go wrong.
    Programs(mistake::Mistake),
}

impl Planted {
    fn all() -> Vec<Self> {
        let compiler = ringfence::policy::Mistake::ALL.iter().copied().map(Self::Compiler);
        let programs = mistake::Mistake::ALL.iter().copied().map(Self::Programs);
        [Self::Nothing].into_iter().chain(compiler).chain(programs).collect()
    }

    /// How many packets are sent before it counts as not found.
    fn bound(self) -> usize {
        if matches!(self, Self::Nothing) { CLEAN } else { PACKETS }
    }

    /// Nodes with it.
    fn exchange(self) -> Exchange<'static> {
        Exchange::with(move |snapshot, sizes| {
            let compiler = move || {
                Compiler::with_mistake(if let Self::Compiler(mistake) = self { Some(mistake) } else { None })
            };
            let cluster = Cluster::new(snapshot, sizes, compiler);
            match self {
                Self::Compiler(_) => cluster,
                // Without a mistake too: what can be mistaken is else the same.
                Self::Nothing => cluster.mistaken(None),
                Self::Programs(mistake) => cluster.mistaken(Some(mistake)),
            }
        })
    }
}

/// Sends packets until one fares otherwise than the oracle says: how many that took, and which.
fn hunt(planted: Planted) -> (usize, Option<Mismatch>) {
    in_private_namespace(IFINDEXES, || {
        let (mut exchange, mut sent) = (planted.exchange(), 0);
        for seed in 0.. {
            let (tally, mismatch) = exchange.run(seed, EACH).unwrap_or_else(|e| panic!("{planted:?}: {e:#}"));
            sent += tally.sent();
            if mismatch.is_some() || sent >= planted.bound() {
                return Ok((sent, mismatch));
            }
        }
        Ok((sent, None))
    })
    .unwrap_or_else(|e| panic!("{planted:?}: {e}"))
}

#[test]
fn every_planted_mistake_is_seen_in_packets_and_without_one_nothing_is() {
    let (todo, wrong) = (Mutex::new(Planted::all()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let Some(planted) = todo.lock().unwrap().pop() else { return };
            let (sent, mismatch) = hunt(planted);
            let what = mismatch.as_ref().map(|m| m.report.lines().take(2).collect::<Vec<_>>().join(";"));
            println!("{planted:?}, {sent} packets: {}", what.as_deref().unwrap_or("nothing was found"));
            match (planted, mismatch) {
                (Planted::Nothing, Some(mismatch)) => wrong.lock().unwrap().push(mismatch.report),
                (Planted::Nothing, None) | (_, Some(_)) => {}
                (planted, None) => wrong.lock().unwrap().push(format!("{planted:?} was not found")),
            }
        }
    };
    std::thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(work))));
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ringfence::policy::Mistake::ALL.len() >= 12 && mistake::Mistake::ALL.len() >= 12);
}
