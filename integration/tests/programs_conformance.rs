//! The conformance data, asked of the real eBPF programs: verdicts are those stated, and those of the compiler's model.
//! Needs root. Every allowed query is a packet that reaches its end and an answer that comes back.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its data shall fail")]

mod model;

use model::snapshot;
use ringfence::policy::Compiler;
use ringfence::policy::offline::cluster_cidrs;
use ringfence::policy::verdict::Engine as Model;
use ringfence::testrun::{Cluster, Engine, TestRunError, in_private_namespace, sizes};
use ringfence::watch::queries::{Query, Resolved, Resolver, Verdict, parse};
use std::path::{Path, PathBuf};

fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|p| p.is_dir()).collect();
    found.sort();
    found
}

/// Every directory with manifests and queries, by case; steps of one case in order.
fn cases() -> Vec<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let steps = |case: PathBuf| Some(directories(&case)).filter(|s| !s.is_empty()).unwrap_or(vec![case]);
    directories(&root).into_iter().map(steps).collect()
}

/// What one step's queries came to: how many were asked, and which answers were wrong.
fn ask<'a>(cluster: Cluster<'a>, step: &Path) -> Result<(Cluster<'a>, usize, Vec<String>), TestRunError> {
    let snapshot = cluster.snapshot().clone();
    let queries = parse("queries", &std::fs::read_to_string(step.join("queries.jsonl")).unwrap()).unwrap();
    let resolver = Resolver::new(&snapshot);
    let resolve =
        |query: &Query| resolver.resolve(query).unwrap_or_else(|e| panic!("{}: {e}", step.display()));
    let questions: Vec<Resolved> = queries.iter().map(resolve).collect();
    let mut model = Model::new(snapshot.clone(), cluster_cidrs(&snapshot));
    let mut engine = Engine::new(cluster, &questions);
    let mut wrong = Vec::new();
    for (query, question) in queries.iter().zip(&questions) {
        let (answer, of_model) = (engine.answer(question)?, model.answer(question)?);
        let stated = query.expected();
        if Some(answer.verdict) != stated || answer.verdict != of_model.verdict {
            let line = serde_json::to_string(&query.answered(&answer)).unwrap();
            wrong.push(format!("{}: the model says {:?}: {line}", step.display(), of_model.verdict));
        }
        let directions = [&answer.egress, &answer.ingress].into_iter().flatten();
        let all = directions.fold(Verdict::Allow, |all, d| all.max(d.verdict));
        if all == Verdict::Deny && answer.verdict == Verdict::Allow {
            wrong.push(format!("{}: a direction is denied, the whole is not: {query:?}", step.display()));
        }
    }
    engine.settle()?;
    Ok((engine.into_cluster(), questions.len(), wrong))
}

#[test]
fn the_real_programs_give_every_verdict_that_the_conformance_data_states() {
    let (asked, wrong) = in_private_namespace(1000..1064, || {
        let (mut wrong, mut asked) = (Vec::new(), 0);
        let mut cluster: Option<Cluster<'_>> = None;
        for step in cases().into_iter().flatten() {
            let snapshot = snapshot(&step);
            let started = match cluster.take() {
                Some(cluster) => {
                    let mut cluster = cluster.with_cluster_cidrs(cluster_cidrs(&snapshot));
                    cluster.begin(snapshot)?;
                    cluster
                }
                None => {
                    let (sizes, cidrs) = (sizes(&snapshot), cluster_cidrs(&snapshot));
                    Cluster::new(snapshot, sizes, Compiler::default).with_cluster_cidrs(cidrs)
                }
            };
            let (done, count, found) = ask(started, &step)?;
            cluster = Some(done);
            asked += count;
            wrong.extend(found);
        }
        Ok((asked, wrong))
    })
    .unwrap_or_else(|e| panic!("{e}"));
    assert!(wrong.is_empty(), "{} of {asked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 5000, "only {asked} queries");
}

/// A change is taken in by tables that go from the old to the new, and by flows that prove themselves again.
#[test]
fn cases_about_change_hold_in_one_cluster_that_lives_through_the_steps() {
    let (asked, wrong) = in_private_namespace(1000..1064, || {
        let (mut wrong, mut asked) = (Vec::new(), 0);
        for steps in cases().into_iter().filter(|steps| steps.len() > 1) {
            let first = snapshot(&steps[0]);
            let cluster = Cluster::new(first.clone(), sizes(&first), Compiler::default);
            let mut cluster = cluster.with_cluster_cidrs(cluster_cidrs(&first));
            for (index, step) in steps.iter().enumerate() {
                if index > 0 {
                    cluster.change(snapshot(step))?;
                }
                let (done, count, found) = ask(cluster, step)?;
                cluster = done;
                asked += count;
                wrong.extend(found);
            }
        }
        Ok((asked, wrong))
    })
    .unwrap_or_else(|e| panic!("{e}"));
    assert!(wrong.is_empty(), "{} of {asked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 1000, "only {asked} queries");
}
