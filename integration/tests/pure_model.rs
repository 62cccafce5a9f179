//! The agent's compiler against the data and against the slow evaluator, which shares no code with it: same manifests,
//! same questions, same verdicts.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its data shall fail")]

mod model;

use model::{lines, snapshot, snapshot_of, verdicts};
use ringfence::policy::offline::cluster_cidrs;
use ringfence::policy::verdict::Engine;
use ringfence_integration::effort::effort;
use ringfence_integration::evaluator::{Shape, evaluate, generate, queries};
use std::path::{Path, PathBuf};

/// Random clusters asked about, unless RINGFENCE_MODEL_CLUSTERS says otherwise; and where RINGFENCE_LONG is set.
const CLUSTERS: u64 = 400;
const LONG: u64 = 4000;
const QUERIES: usize = 100;

fn steps() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let inner = |path: &Path| {
        let entries = std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path());
        let mut found: Vec<PathBuf> = entries.filter(|p| p.is_dir()).collect();
        found.sort();
        found
    };
    let cases = inner(&root).into_iter();
    cases.flat_map(|case| Some(inner(&case)).filter(|s| !s.is_empty()).unwrap_or(vec![case])).collect()
}

#[test]
fn the_model_engine_gives_every_verdict_that_the_conformance_data_states() {
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for step in steps() {
        let snapshot = snapshot(&step);
        let mut engine = Engine::new(snapshot.clone(), cluster_cidrs(&snapshot));
        let text = std::fs::read_to_string(step.join("queries.jsonl")).unwrap();
        for (line, allowed) in text.lines().zip(verdicts(&mut engine, &snapshot, &text)) {
            let stated: serde_json::Value = serde_json::from_str(line).unwrap();
            asked += 1;
            if stated["expect"] != if allowed { "allow" } else { "deny" } {
                wrong.push(format!("{}: allowed {allowed}: {line}", step.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 5000, "only {asked} queries");
}

#[test]
fn the_model_engine_and_the_evaluator_agree_on_random_clusters() {
    let clusters = effort("RINGFENCE_MODEL_CLUSTERS", CLUSTERS, LONG);
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for seed in 0..clusters {
        let generated = generate(seed, &Shape::default());
        let cluster = generated.cluster().unwrap();
        let questions = queries(&cluster, seed, QUERIES);
        let snapshot = snapshot_of(&generated);
        let mut engine = Engine::new(snapshot.clone(), cluster_cidrs(&snapshot));
        let answers = verdicts(&mut engine, &snapshot, &lines(&questions));
        assert_eq!(questions.len(), answers.len());
        for (query, allowed) in questions.iter().zip(answers) {
            asked += 1;
            let expected = evaluate(&cluster, query).unwrap();
            if expected.allow != allowed {
                wrong.push(format!("seed {seed}: allowed {allowed}: {query:?}: {:?}", expected.reasons));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {asked} differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
    assert!(asked as u64 > clusters * QUERIES as u64 / 2, "only {asked} queries");
}
