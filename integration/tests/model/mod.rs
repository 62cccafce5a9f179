//! Runs the agent's `model` engine over manifests, to be held against the slow evaluator.
#![allow(dead_code, reason = "each test that uses this needs a part of it")]

pub(crate) mod evolve;
pub(crate) mod moments;

use ringfence::desired::Snapshot;
use ringfence::policy::verdict::Engine;
use ringfence::watch::directory::{Mode, read};
use ringfence::watch::queries::{Resolver, Verdict, parse};
use ringfence_integration::evaluator::{Generated, Query};
use std::path::Path;

/// The cluster as the agent's own reader of manifests takes it.
pub(crate) fn snapshot(directory: &Path) -> Snapshot {
    let loaded = read(directory, Mode::Accept).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    loaded.snapshot()
}

/// A random cluster, by way of files.
pub(crate) fn snapshot_of(generated: &Generated) -> Snapshot {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("cluster.yaml"), generated.yaml().unwrap()).unwrap();
    snapshot(directory.path())
}

/// The engine's verdicts on JSON lines, in order: whether each is allowed.
pub(crate) fn verdicts(engine: &mut Engine, snapshot: &Snapshot, lines: &str) -> Vec<bool> {
    let resolver = Resolver::new(snapshot);
    let queries = parse("queries", lines).unwrap();
    let answer = |query| {
        let resolved = resolver.resolve(query).unwrap_or_else(|e| panic!("{e}"));
        let answer = engine.answer(&resolved).unwrap_or_else(|e| panic!("{query:?}: {e}"));
        answer.verdict == Verdict::Allow
    };
    queries.iter().map(answer).collect()
}

/// The evaluator's queries as the lines that the agent reads.
pub(crate) fn lines(queries: &[Query]) -> String {
    queries.iter().map(|q| serde_json::to_string(q).unwrap() + "\n").collect()
}
