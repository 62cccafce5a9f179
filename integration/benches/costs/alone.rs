//! What a whole agent costs: memory, and how long pods and manifests wait for it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ringfence::model::{Labels, Pod};

use super::Effort;
use super::agent::Agent;
use super::cluster::{Cluster, HERE, LARGE, Size};
use super::manifests;
use super::measure::quantile;
use super::report::{Must, Section, whole};

/// The largest cluster that the design speaks of.
const HUGE: Size = Size { nodes: 1_000, pods: 50_000, namespaces: 500, policies: 1_000, dual_stack: false };
const MEBIBYTE: f64 = 1_048_576.0;

/// The agent's memory.
///
/// # Errors
/// When it does not become ready.
pub(crate) fn memory(effort: Effort, binary: &Path, pins: &Path) -> Result<Section> {
    let size = effort.of(LARGE, HUGE);
    let mut section = Section {
        title: "Memory",
        how: "A whole agent with a directory of manifests as its source, mesh included, its own node's pods attached by CNI: \
              resident memory when it is ready and pods are attached, and the most that it ever had, which is while it reads \
              the directory. Of other processes, the userspace WireGuard has its own."
            .into(),
        columns: vec!["cluster", "pods attached", "MiB", "most, MiB"],
        ..Section::default()
    };
    for size in [Size { nodes: 3, pods: 30, namespaces: 3, policies: 10, dual_stack: false }, size] {
        println!("  {} pods", size.pods);
        let cluster = Cluster::new(size)?;
        let agent = Agent::start(binary, &cluster, pins)?;
        let attached = attach(&agent, &cluster, usize::MAX)?.len();
        // Whatever is still going on after the last answer.
        std::thread::sleep(Duration::from_secs(3));
        let (now, most) = agent.memory()?;
        let (now, most) = (now as f64 / MEBIBYTE, most as f64 / MEBIBYTE);
        let name = format!("{} nodes, {} pods, {} policies", size.nodes, size.pods, size.policies);
        section.row([name, attached.to_string(), whole(now), whole(most)]);
        if size.pods >= LARGE.pods {
            section.musts.push(Must {
                what: format!("agent memory at {} pods, {} nodes", size.pods, size.nodes),
                must: "below 64 MiB".into(),
                measured: format!("{now:.0} MiB (at most {most:.0})"),
                kept: now < 64.0,
            });
        }
    }
    Ok(section)
}

/// How long CNI ADD takes.
///
/// # Errors
/// When the plugin refuses.
pub(crate) fn cni(effort: Effort, binary: &Path, pins: &Path) -> Result<Section> {
    let cluster = Cluster::new(LARGE)?;
    let agent = Agent::start(binary, &cluster, pins)?;
    let mut took = attach(&agent, &cluster, effort.of(20, 100))?;
    took.sort_by(f64::total_cmp);
    let (half, worst) = (quantile(&took, 0.5), quantile(&took, 0.99));
    let mut section = Section {
        title: "CNI ADD",
        how: format!(
            "What `ringfence` adds to the chain of plugins for a pod, from starting the plugin to its answer, which it gives when \
             the pod's policy is in force: {} pods, one after the other, on a node of a cluster of {} pods and {} policies.",
            took.len(),
            LARGE.pods,
            LARGE.policies
        ),
        columns: vec!["what", "P50, ms", "P99, ms"],
        ..Section::default()
    };
    section.row(["ringfence's part of ADD".into(), format!("{half:.1}"), format!("{worst:.1}")]);
    section.musts.push(Must {
        what: "CNI ADD until policy is in force".into(),
        must: "adds less than 20 ms".into(),
        measured: format!("{half:.1} ms (P99 {worst:.1})"),
        kept: worst < 20.0,
    });
    Ok(section)
}

/// From a changed file to its enforcement.
///
/// # Errors
/// When a change is not enforced.
pub(crate) fn directory(effort: Effort, binary: &Path, pins: &Path) -> Result<Section> {
    let cluster = Cluster::new(LARGE)?;
    let agent = Agent::start(binary, &cluster, pins)?;
    attach(&agent, &cluster, 20)?;
    let here = |pod: &&std::sync::Arc<Pod>| pod.node.as_deref() == Some(HERE);
    let pod = cluster.pods.values().find(here).context("no pod is here")?;
    let file = agent.manifest("pods", &pod.name.namespace);
    let others = cluster.pods.values().filter(|other| other.name.namespace == pod.name.namespace);
    let others: Vec<_> = others.filter(|other| other.name != pod.name).map(|p| manifests::pod(p)).collect();
    let mut took = Vec::new();
    for turn in 0..effort.of(10, 100) {
        // Never what it is already: the first turn's is nobody's, then another application's each time.
        let app = if turn == 0 { "none".to_owned() } else { format!("app-{}", turn % 10) };
        let labels: Labels = [("app".to_owned(), app)].into();
        let changed = Pod { labels: std::sync::Arc::new(labels), ..(**pod).clone() };
        let mut items = others.clone();
        items.push(manifests::pod(&changed));
        took.push(enforced(&agent, || manifests::put(&file, &items))?.as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    let (half, worst) = (quantile(&took, 0.5), quantile(&took, 0.99));
    let mut section = Section {
        title: "Changes of a directory",
        how: format!(
            "The same through a whole agent, its source a directory: a file of {} pods is replaced, in which the labels of one \
             pod of this node differ; until the programs see another policy generation. {} times.",
            others.len() + 1,
            took.len()
        ),
        columns: vec!["what changes", "P50, ms", "P99, ms"],
        ..Section::default()
    };
    section.row(["labels of a pod of this node".into(), format!("{half:.1}"), format!("{worst:.1}")]);
    Ok(section)
}

/// How long until the policy generation moves on after a change.
fn enforced(agent: &Agent, change: impl FnOnce() -> Result<()>) -> Result<Duration> {
    // Whatever the last change has left to be done.
    std::thread::sleep(Duration::from_millis(300));
    let config = agent.config()?;
    let before = config.get(&0, 0)?.generation;
    let began = Instant::now();
    change()?;
    while config.get(&0, 0)?.generation == before {
        if began.elapsed() > Duration::from_secs(20) {
            bail!("a change was not enforced");
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    Ok(began.elapsed())
}

/// Attaches the node's pods, at most so many; milliseconds that each took.
fn attach(agent: &Agent, cluster: &Cluster, most: usize) -> Result<Vec<f64>> {
    let here = cluster.pods.values().filter(|pod| pod.node.as_deref() == Some(HERE)).take(most);
    here.enumerate().map(|(i, pod)| Ok(agent.attach(pod, i)?.as_secs_f64() * 1e3)).collect()
}
