//! Workloads: what makes pods of a template.
use super::findings::Findings;
use super::meta::{self, Meta, Owner};
use super::path::FieldPath;
use super::pod::{self, PodObject};
use super::selector;
use crate::model::{Labels, ObjectName};
use serde::Deserialize;
use serde_json::Value;

/// The kinds of workload.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum WorkloadKind {
    /// apps/v1; first, because its pods' names are promised.
    StatefulSet,
    /// apps/v1.
    Deployment,
    /// apps/v1.
    ReplicaSet,
    /// v1.
    ReplicationController,
    /// apps/v1: a pod on every node.
    DaemonSet,
    /// batch/v1.
    Job,
    /// batch/v1.
    CronJob,
}

/// How many pods a workload has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Count {
    Pods(u32),
    OneANode,
}

/// A workload with the pod it makes.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) kind: WorkloadKind,
    pub(crate) name: ObjectName,
    pub(crate) owner: Option<Owner>,
    pub(crate) count: Count,
    /// Named as the workload.
    pub(crate) template: PodObject,
}

/// More pods than a cluster can have is a typing error, not a wish.
const MOST: i64 = 150_000;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Spec {
    replicas: Option<i64>,
    parallelism: Option<i64>,
    completions: Option<i64>,
    suspend: Option<bool>,
    selector: Option<Value>,
}

/// Reads a workload.
pub(super) fn read(kind: WorkloadKind, meta: Meta, object: &Value, f: &mut Findings) -> Option<Workload> {
    let root = FieldPath::Root;
    let spec_at = root.key("spec");
    let spec: Spec = f.decode_or_default(&spec_at, object.get("spec"))?;
    let job_template = spec_at.key("jobTemplate");
    let job_at = job_template.key("spec");
    let (at, value) = match kind {
        WorkloadKind::CronJob => (&job_at, object.pointer("/spec/jobTemplate/spec")),
        _ => (&spec_at, object.get("spec")),
    };
    let template_at = at.key("template");
    let Some(template) = value.and_then(|v| v.get("template")).filter(|v| v.is_object()) else {
        f.add(&template_at, format!("a {kind:?} needs the template of its pods"));
        return None;
    };
    let template_meta = template_meta(&template_at, &meta, template, f)?;
    select(&spec_at.key("selector"), kind, spec.selector.as_ref(), &template_meta.labels, f);
    let count = count(&spec_at, kind, &spec, f)?;
    let owner = meta.owner.clone();
    let template = pod::read(&template_at, template_meta, template, f)?;
    Some(Workload { kind, name: meta.name, owner, count, template })
}

/// The template's labels, under the workload's name.
fn template_meta(at: &FieldPath<'_>, meta: &Meta, template: &Value, f: &mut Findings) -> Option<Meta> {
    #[derive(Deserialize, Default)]
    struct Wire {
        labels: Option<std::collections::BTreeMap<String, Option<String>>>,
    }
    let at = at.key("metadata");
    let wire: Wire = f.decode_or_default(&at, template.get("metadata"))?;
    let labels = meta::labels(&at.key("labels"), wire.labels.unwrap_or_default(), f);
    Some(Meta {
        name: meta.name.clone(),
        uid: String::new(),
        created: String::new(),
        labels,
        owner: None,
        mirror_of: None,
    })
}

/// Workloads of apps/v1 must select the pods they make.
fn select(at: &FieldPath<'_>, kind: WorkloadKind, value: Option<&Value>, labels: &Labels, f: &mut Findings) {
    use WorkloadKind::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
    if !matches!(kind, Deployment | ReplicaSet | StatefulSet | DaemonSet) {
        return;
    }
    match value {
        None => f.add(at, format!("a {kind:?} needs a selector of its pods")),
        Some(value) => match selector::read(at, value, f) {
            Some(selector) if selector.match_labels.is_empty() && selector.expressions.is_empty() => {
                f.add(at, "it is empty: a workload must select its own pods, and only them");
            }
            Some(selector) if !selector.matches(labels) => {
                f.add(at, "it does not select the template's labels (spec.template.metadata.labels)");
            }
            _ => {}
        },
    }
}

fn count(at: &FieldPath<'_>, kind: WorkloadKind, spec: &Spec, f: &mut Findings) -> Option<Count> {
    let mut number = |field: &str, value: Option<i64>| match u32::try_from(value.unwrap_or(1)) {
        Ok(number) if i64::from(number) <= MOST => Some(number),
        _ => {
            f.add(&at.key(field), format!("{} is not 0 to {MOST}", value.unwrap_or(1)));
            None
        }
    };
    match kind {
        WorkloadKind::DaemonSet => Some(Count::OneANode),
        WorkloadKind::CronJob => Some(Count::Pods(1)),
        WorkloadKind::Job => {
            let parallelism = number("parallelism", spec.parallelism)?;
            let completions = match spec.completions {
                None => parallelism,
                some => number("completions", some)?,
            };
            let suspended = spec.suspend.unwrap_or(false);
            Some(Count::Pods(if suspended { 0 } else { parallelism.min(completions) }))
        }
        _ => number("replicas", spec.replicas).map(Count::Pods),
    }
}
