//! Random clusters are valid, answerable, repeatable, and reach the corners they are for.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its data shall fail")]
use std::collections::BTreeMap;

use ringfence_integration::evaluator::{
    Direction, Generated, Shape, evaluate, generate, isolated, parse_documents, queries, read_cluster,
};

fn clusters(count: u64) -> impl Iterator<Item = Generated> {
    (0..count).map(|seed| generate(seed, &Shape::default()))
}

#[test]
fn every_random_query_can_be_answered() {
    let mut asked = 0;
    for generated in clusters(300) {
        let cluster = generated.cluster().unwrap();
        for query in queries(&cluster, generated.seed, 50) {
            let answer = evaluate(&cluster, &query);
            assert!(answer.is_ok(), "seed {}: {query:?}: {:#}", generated.seed, answer.unwrap_err());
            asked += 1;
        }
    }
    assert!(asked > 14_000, "only {asked} queries");
}

#[test]
fn the_same_seed_makes_the_same_cluster_and_queries() {
    for generated in clusters(20) {
        let again = generate(generated.seed, &Shape::default());
        assert_eq!(generated.objects, again.objects);
        let cluster = generated.cluster().unwrap();
        assert_eq!(queries(&cluster, 7, 20), queries(&cluster, 7, 20));
    }
}

#[test]
fn a_cluster_written_as_yaml_is_read_back_the_same() {
    for generated in clusters(50) {
        let objects = parse_documents(&generated.yaml().unwrap()).unwrap();
        assert_eq!(objects, generated.objects, "seed {}", generated.seed);
        assert!(read_cluster(&objects).is_ok());
    }
}

/// Verdicts that are nearly always the same find no mistakes.
#[test]
fn verdicts_are_balanced_and_each_kind_of_destination_is_both_allowed_and_denied() {
    let mut counts: BTreeMap<&str, [u32; 2]> = BTreeMap::new();
    for generated in clusters(300) {
        let cluster = generated.cluster().unwrap();
        for query in queries(&cluster, generated.seed, 50) {
            let allow = evaluate(&cluster, &query).unwrap().allow;
            let address = query.to.parse().ok();
            let kind = match (query.to.starts_with("svc/"), address) {
                (true, _) => "service",
                (_, None) => "pod",
                (_, Some(a)) if cluster.pod_at(a).is_some() => "pod address",
                (_, Some(a)) if cluster.node_at(a).is_some() && query.port >= 30000 => "node port",
                (_, Some(a)) if cluster.node_at(a).is_some() && query.port >= 18000 => "host port",
                (_, Some(a)) if cluster.node_at(a).is_some() => "node",
                (_, Some(a)) if cluster.services.iter().any(|s| s.cluster_ips.contains(&a)) => "cluster ip",
                (_, Some(a)) if cluster.services.iter().any(|s| s.external_ips.contains(&a)) => "external ip",
                _ => "outside",
            };
            counts.entry(kind).or_default()[usize::from(allow)] += 1;
        }
    }
    assert_eq!(counts.len(), 9, "{counts:?}");
    for (kind, [denied, allowed]) in &counts {
        assert!(
            *denied >= 20 && *allowed >= 20,
            "{kind} is denied {denied} times and allowed {allowed} times"
        );
    }
    let [denied, allowed] = counts.values().fold([0, 0], |[d, a], [x, y]| [d + x, a + y]);
    assert!(denied * 4 > allowed && allowed * 4 > denied, "{denied} denied, {allowed} allowed");
}

#[test]
fn pods_are_isolated_in_every_combination_of_directions() {
    let mut seen: BTreeMap<(bool, bool), u32> = BTreeMap::new();
    for generated in clusters(100) {
        let cluster = generated.cluster().unwrap();
        for pod in &cluster.pods {
            let ingress = isolated(&cluster, pod, Direction::Ingress).unwrap();
            *seen.entry((ingress, isolated(&cluster, pod, Direction::Egress).unwrap())).or_default() += 1;
        }
    }
    assert!(seen.len() == 4 && seen.values().all(|n| *n > 30), "{seen:?}");
}
