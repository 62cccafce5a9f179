//! The differential test can fail: typical misreadings of the API, planted into the compiler one at a time, are each
//! found by the same comparison with the evaluator, within a bounded number of random clusters.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its data shall fail")]

mod model;

use model::{lines, snapshot_of, verdicts};
use ringfence::desired::Snapshot;
use ringfence::policy::Mistake;
use ringfence::policy::verdict::Engine;
use ringfence_integration::evaluator::{Shape, evaluate, generate, queries};

const CLUSTERS: u64 = 400;
const QUERIES: usize = 100;

struct Case {
    snapshot: Snapshot,
    lines: String,
    expected: Vec<bool>,
}

fn case(seed: u64) -> Case {
    let generated = generate(seed, &Shape::default());
    let cluster = generated.cluster().unwrap();
    let questions = queries(&cluster, seed, QUERIES);
    let expected = questions.iter().map(|q| evaluate(&cluster, q).unwrap().allow).collect();
    Case { snapshot: snapshot_of(&generated), lines: lines(&questions), expected }
}

fn agrees(case: &Case, mistake: Option<Mistake>) -> bool {
    let mut engine = Engine::with_mistake(case.snapshot.clone(), mistake);
    verdicts(&mut engine, &case.snapshot, &case.lines) == case.expected
}

#[test]
fn every_planted_mistake_is_found_and_without_one_nothing_is() {
    let cases: Vec<Case> = (0..CLUSTERS).map(case).collect();
    assert!(cases.iter().all(|case| agrees(case, None)));
    let found = |mistake| cases.iter().position(|case| !agrees(case, Some(mistake)));
    let mut missed = Vec::new();
    for mistake in Mistake::ALL {
        match found(*mistake) {
            Some(after) => println!("{mistake:?}: found in cluster {after}"),
            None => missed.push(mistake),
        }
    }
    assert!(Mistake::ALL.len() >= 12);
    assert!(missed.is_empty(), "not found: {missed:?}");
}
