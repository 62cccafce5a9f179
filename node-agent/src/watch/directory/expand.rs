//! Workloads into the pods their controllers would make.
use super::gather::{Draft, Gathered, Raw};
use crate::model::{Labels, ObjectName};
use crate::watch::object::{Count, Owner, PodObject, Workload, WorkloadKind};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Replaces the workloads by their pods, named `name-0`, `name-1` and so on.
///
/// Not expanded is a workload that another one here made (a Deployment's ReplicaSet), or whose pods are here already
/// (a dump of a cluster). Where a name is taken the next number is; StatefulSets come first, for theirs are promised.
/// A DaemonSet's pods are one a node that its nodeSelector allows, in the order of the nodes' names.
pub(super) fn workloads(all: &mut Gathered) {
    let present = owners_with_pods(all);
    let workloads = std::mem::take(&mut all.workloads);
    let names: BTreeSet<(String, ObjectName)> =
        workloads.values().map(|w| (format!("{:?}", w.value.kind), w.value.name.clone())).collect();
    for draft in workloads.values() {
        let workload = &draft.value;
        let is_owned =
            owner_key(&workload.name, workload.owner.as_ref()).is_some_and(|key| names.contains(&key));
        let has_pods = present.contains(&(format!("{:?}", workload.kind), workload.name.clone()));
        if !is_owned && !has_pods {
            expand(all, draft);
        }
    }
}

fn expand(all: &mut Gathered, draft: &Draft<Workload>) {
    let workload = &draft.value;
    let places: Vec<Option<String>> = match workload.count {
        Count::Pods(count) => (0..count).map(|_| workload.template.pod.node.clone()).collect(),
        Count::OneANode => {
            let nodes = all.nodes.values().map(|n| &n.value);
            let fits = |labels: &Labels| {
                workload.template.node_selector.iter().all(|(k, v)| labels.get(k) == Some(v))
            };
            nodes.filter(|n| fits(&n.labels)).map(|n| Some(n.name.clone())).collect()
        }
    };
    let raw = match &draft.raw {
        Raw::Object(value) => Raw::Template(value.clone(), pointer(workload.kind)),
        other => other.clone(),
    };
    let labels = Arc::new(labels(workload));
    let mut number = 0;
    for node in places {
        let name = loop {
            let name = ObjectName::new(&*workload.name.namespace, format!("{}-{number}", workload.name.name));
            number += 1;
            if !all.pods.contains_key(&name) {
                break name;
            }
        };
        let mut pod = workload.template.clone();
        pod.pod.labels = labels.clone();
        if workload.kind == WorkloadKind::StatefulSet {
            Arc::make_mut(&mut pod.pod.labels).extend(ordinal(&name, number - 1));
        }
        pod.pod.name = name.clone();
        pod.pod.node = node;
        all.pods.insert(name, Draft { value: pod, origin: draft.origin.clone(), raw: raw.clone() });
    }
}

/// The template's labels and those that a Job's controller adds. Labels whose value is a hash or a UID are not made up.
fn labels(workload: &Workload) -> Labels {
    let mut labels = (*workload.template.pod.labels).clone();
    if workload.kind == WorkloadKind::Job {
        for key in ["batch.kubernetes.io/job-name", "job-name"] {
            labels.insert(key.to_owned(), workload.name.name.clone());
        }
    }
    labels
}

/// The labels that a StatefulSet's controller gives each pod.
fn ordinal(name: &ObjectName, number: u32) -> [(String, String); 2] {
    [
        ("statefulset.kubernetes.io/pod-name".to_owned(), name.name.clone()),
        ("apps.kubernetes.io/pod-index".to_owned(), number.to_string()),
    ]
}

/// Workloads that have pods here, themselves or through what they made.
fn owners_with_pods(all: &Gathered) -> BTreeSet<(String, ObjectName)> {
    let owner = |pod: &PodObject| owner_key(&pod.pod.name, pod.owner.as_ref());
    let mut owners: BTreeSet<_> = all.pods.values().filter_map(|p| owner(&p.value)).collect();
    // A Deployment's ReplicaSet, a CronJob's Job: one step up is all there is.
    let parents: Vec<_> = all
        .workloads
        .values()
        .filter(|w| owners.contains(&(format!("{:?}", w.value.kind), w.value.name.clone())))
        .filter_map(|w| owner_key(&w.value.name, w.value.owner.as_ref()))
        .collect();
    owners.extend(parents);
    owners
}

fn owner_key(of: &ObjectName, owner: Option<&Owner>) -> Option<(String, ObjectName)> {
    owner.map(|o| (o.kind.clone(), ObjectName::new(&*of.namespace, &*o.name)))
}

fn pointer(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::CronJob => "/spec/jobTemplate/spec/template",
        _ => "/spec/template",
    }
}
