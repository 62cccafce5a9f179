//! The head of every object: kind and metadata.
use super::findings::{Findings, quoted};
use super::path::FieldPath;
use super::syntax;
use crate::model::{Labels, ObjectName};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// `metadata`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Meta {
    pub(crate) name: ObjectName,
    pub(crate) uid: String,
    pub(crate) created: String,
    pub(crate) labels: Labels,
    pub(crate) owner: Option<Owner>,
    /// Of the mirror of a static pod: the UID that the kubelet, and so the CNI, knows the pod by.
    pub(crate) mirror_of: Option<String>,
}

/// On the mirror of a static pod: the static pod's UID (k8s.io/kubernetes/pkg/kubelet/types).
pub(crate) const MIRROR: &str = "kubernetes.io/config.mirror";

/// The controller of an object, from `metadata.ownerReferences`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Owner {
    pub(crate) kind: String,
    pub(crate) name: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Wire {
    name: Option<String>,
    generate_name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    creation_timestamp: Option<String>,
    labels: Option<BTreeMap<String, Option<String>>>,
    owner_references: Option<Vec<OwnerWire>>,
    /// But for one of them we do not read them, so they are not checked.
    annotations: Option<Value>,
}

#[derive(Deserialize)]
struct OwnerWire {
    kind: Option<String>,
    name: Option<String>,
    controller: Option<bool>,
}

/// The form that names of a kind have.
pub(crate) type NameRule = fn(&str) -> Result<(), &'static str>;

/// Reads `metadata` of `object`. `None` if it cannot be said which object it is.
///
/// A namespaced object without a namespace is in `default`, as with kubectl; without a name but with `generateName`
/// it gets that and `0`.
pub(crate) fn read(object: &Value, namespaced: bool, rule: NameRule, f: &mut Findings) -> Option<Meta> {
    let root = FieldPath::Root;
    let at = root.key("metadata");
    let wire: Wire = f.decode_or_default(&at, object.get("metadata"))?;
    let name = match (wire.name.filter(|n| !n.is_empty()), wire.generate_name.filter(|n| !n.is_empty())) {
        (Some(name), _) => name,
        (None, Some(prefix)) => format!("{prefix}0"),
        (None, None) => {
            f.add(&at.key("name"), "the object has no name: write one");
            return None;
        }
    };
    f.syntax(&at.key("name"), &name, rule);
    let namespace = match (namespaced, wire.namespace.filter(|n| !n.is_empty())) {
        (false, _) => String::new(),
        (true, None) => "default".to_owned(),
        (true, Some(namespace)) => {
            f.syntax(&at.key("namespace"), &namespace, syntax::dns_label);
            namespace
        }
    };
    let owner = wire.owner_references.into_iter().flatten().find(|o| o.controller == Some(true));
    Some(Meta {
        name: ObjectName { namespace, name },
        uid: wire.uid.unwrap_or_default(),
        created: wire.creation_timestamp.unwrap_or_default(),
        labels: labels(&at.key("labels"), wire.labels.unwrap_or_default(), f),
        mirror_of: wire
            .annotations
            .and_then(|all| Some(all.get(MIRROR)?.as_str()?.to_owned()))
            .filter(|uid| !uid.is_empty()),
        owner: owner.and_then(|o| Some(Owner { kind: o.kind?, name: o.name? })),
    })
}

/// Checks labels. A value that is null is the empty one, as the API server decodes it.
pub(crate) fn labels(at: &FieldPath<'_>, wire: BTreeMap<String, Option<String>>, f: &mut Findings) -> Labels {
    let labels: Labels = wire.into_iter().map(|(k, v)| (k, v.unwrap_or_default())).collect();
    for (key, value) in &labels {
        f.syntax(at, key, syntax::label_key);
        if let Err(rule) = syntax::label_value(value) {
            f.add(at, format!("the value {} of {} is not allowed: {rule}", quoted(value), quoted(key)));
        }
    }
    labels
}
