//! How long a change takes until it is enforced: the sixth line of the design's costs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ringfence::desired::Index;
use ringfence::model::Pod;
use ringfence::policy::tables::{LocalEndpoint, LocalView};

use super::Effort;
use super::changes::{Change, changes, everything};
use super::cluster::{Cluster, HERE, LARGE};
use super::measure::quantile;
use super::netns::Netns;
use super::ours::{FLOWS, Ours, Took};
use super::report::{Must, Section};
use super::rig::GATEWAY;

/// What the design demands of the slowest in a hundred.
const LIMIT: Duration = Duration::from_millis(50);

/// One turn of one change.
struct Sample {
    index: Duration,
    took: Took,
}

impl Sample {
    fn enforced(&self) -> Duration {
        self.index + self.took.compile + self.took.plan + self.took.enforce
    }
}

/// Runs the bench.
///
/// # Errors
/// The executor's.
pub(crate) fn run(effort: Effort, pins: &Path) -> Result<Section> {
    let times = effort.of(20, 200);
    let cluster = Cluster::new(LARGE)?;
    let mut index = Index::default();
    index.apply_all(everything(&cluster));
    let mut ours = Ours::new(&Netns::new()?, pins, FLOWS)?;
    let local = local(&cluster)?;
    let first = ours.enforce(&*index.snapshot().context("a kind of object has not synced")?, &local)?;
    let mut section = Section {
        title: "Changes",
        how: format!(
            "A cluster of {} pods and {} policies on {} nodes, seen by one of them with {} pods of its own. One object changes: \
             from what a watch would say through index, snapshot, compiler and plan to the write after which it is in force, \
             grace periods that this has to wait for included; milliseconds, {times} times each. The cluster as a whole took {:.0} ms \
             to compile, and {:.0} ms until it was in force.",
            LARGE.pods,
            LARGE.policies,
            LARGE.nodes,
            local.endpoints.len(),
            millis(first.compile),
            millis(first.compile + first.plan + first.enforce),
        ),
        columns: vec![
            "what changes",
            "index",
            "compile",
            "plan",
            "write",
            "P50",
            "P99",
            "slowest",
            "tidying up after",
        ],
        ..Section::default()
    };
    let mut every = Vec::new();
    for Change { name, update } in changes(&cluster)? {
        println!("  {name}");
        let mut samples = Vec::new();
        for turn in 0..times {
            let update = update(turn);
            let began = Instant::now();
            index.apply(update);
            let snapshot = index.snapshot().context("a kind of object has not synced")?;
            let index = began.elapsed();
            samples.push(Sample { index, took: ours.enforce(&snapshot, &local)? });
        }
        let of = |part: fn(&Sample) -> Duration| sorted(samples.iter().map(part));
        let half = |part| format!("{:.2}", quantile(&of(part), 0.5));
        let whole = of(Sample::enforced);
        let at = |share| format!("{:.1}", quantile(&whole, share));
        section.row([
            name.to_owned(),
            half(|s| s.index),
            half(|s| s.took.compile),
            half(|s| s.took.plan),
            half(|s| s.took.enforce),
            at(0.5),
            at(0.99),
            at(1.0),
            half(|s| s.took.retire),
        ]);
        every.extend(samples);
    }
    let all = sorted(every.iter().map(Sample::enforced));
    let p99 = quantile(&all, 0.99);
    section.musts.push(Must {
        what: "one pod, label or policy changed among 10,000 pods and 1,000 policies, until enforced".into(),
        must: format!("P99 below {} ms", LIMIT.as_millis()),
        measured: format!("{p99:.1} ms"),
        kept: p99 < millis(LIMIT),
    });
    Ok(section)
}

/// This node's pods as the agent knows them from CNI ADD.
fn local(cluster: &Cluster) -> Result<LocalView> {
    let here = cluster.pods.values().filter(|pod| pod.node.as_deref() == Some(HERE));
    let endpoint = |(i, pod): (usize, &Arc<Pod>)| {
        let id = u32::try_from(i + 1).context("too many pods")?;
        Ok(LocalEndpoint {
            id,
            // Nothing is attached, so no device need have it.
            ifindex: 1000 + id,
            pod: pod.name.clone(),
            uid: Some(pod.uid.clone()),
            addresses: pod.addresses.clone(),
            closing: false,
        })
    };
    let endpoints = here.enumerate().map(endpoint).collect::<Result<_>>()?;
    let addresses = vec![GATEWAY.into()];
    Ok(LocalView { node: HERE.into(), addresses, endpoints, ..LocalView::default() })
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn sorted(durations: impl Iterator<Item = Duration>) -> Vec<f64> {
    let mut all: Vec<f64> = durations.map(millis).collect();
    all.sort_by(f64::total_cmp);
    all
}
