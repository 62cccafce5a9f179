//! Random clusters, asked of the real eBPF programs: every verdict is the slow evaluator's. Needs root.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its data shall fail")]

mod model;

use model::{lines, snapshot_of};
use ringfence::policy::Compiler;
use ringfence::policy::offline::cluster_cidrs;
use ringfence::testrun::{Cluster, Engine, in_private_namespace, sizes};
use ringfence::watch::queries::{Resolver, Verdict, parse};
use ringfence_integration::effort::effort;
use ringfence_integration::evaluator::{Shape, evaluate, generate, queries};

/// Random clusters asked about, unless RINGFENCE_MODEL_CLUSTERS says otherwise; and where RINGFENCE_LONG is set.
const CLUSTERS: u64 = 150;
const LONG: u64 = 1500;
const QUERIES: usize = 60;

#[test]
fn the_real_programs_and_the_evaluator_agree_on_random_clusters() {
    let clusters = effort("RINGFENCE_MODEL_CLUSTERS", CLUSTERS, LONG);
    let (wrong, asked) = in_private_namespace(1000..1032, || {
        let (mut wrong, mut asked) = (Vec::new(), 0);
        let mut going: Option<Cluster<'_>> = None;
        for seed in 0..clusters {
            let generated = generate(seed, &Shape::default());
            let truth = generated.cluster().unwrap();
            let asking = queries(&truth, seed, QUERIES);
            let snapshot = snapshot_of(&generated);
            let parsed = parse("queries", &lines(&asking)).unwrap();
            let resolver = Resolver::new(&snapshot);
            let questions: Vec<_> = parsed.iter().map(|q| resolver.resolve(q).unwrap()).collect();
            let cluster = match going.take() {
                Some(cluster) => {
                    let mut cluster = cluster.with_cluster_cidrs(cluster_cidrs(&snapshot));
                    cluster.begin(snapshot.clone())?;
                    cluster
                }
                None => Cluster::new(snapshot.clone(), sizes(&snapshot), Compiler::default)
                    .with_cluster_cidrs(cluster_cidrs(&snapshot)),
            };
            let mut engine = Engine::new(cluster, &questions);
            for (query, question) in asking.iter().zip(&questions) {
                let (answer, expected) = (engine.answer(question)?, evaluate(&truth, query).unwrap());
                asked += 1;
                if (answer.verdict == Verdict::Allow) != expected.allow {
                    wrong.push(format!("seed {seed}: {query:?}: {answer:?}, but {:?}", expected.reasons));
                }
            }
            engine.settle()?;
            going = Some(engine.into_cluster());
        }
        Ok((wrong, asked))
    })
    .unwrap_or_else(|e| panic!("{e}"));
    let shown = wrong[..wrong.len().min(20)].join("\n");
    assert!(wrong.is_empty(), "{} of {asked} differ:\n{shown}", wrong.len());
    assert!(asked as u64 > clusters * QUERIES as u64 / 2, "only {asked} queries");
}
