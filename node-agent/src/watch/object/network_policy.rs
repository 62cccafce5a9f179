//! NetworkPolicy (networking.k8s.io/v1): decoding, validation, defaulting.
//!
//! What is not valid never widens what is allowed. It is a finding (a manifest with one is refused); for an agent that
//! must enforce something, a peer becomes [`Peer::Nothing`], a port [`PortMatch::Nothing`], a rule one that matches
//! nothing, and where it is not known which pods are selected, every pod of the namespace is, and nothing is allowed.
//! Fields we do not know count as invalid: they would narrow, or mean something else, in a way we cannot see.
use super::findings::{Findings, quoted};
use super::meta::Meta;
use super::network_policy_rule as rule;
use super::path::FieldPath;
use super::selector;
use crate::model::{LabelSelector, NetworkPolicy, Rule};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Object {
    #[serde(rename = "apiVersion")]
    _api_version: Option<Value>,
    #[serde(rename = "kind")]
    _kind: Option<Value>,
    #[serde(rename = "metadata")]
    _metadata: Option<Value>,
    /// Served by Kubernetes 1.24 to 1.27.
    #[serde(rename = "status")]
    _status: Option<Value>,
    spec: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    pod_selector: Option<Value>,
    ingress: Option<Value>,
    egress: Option<Value>,
    policy_types: Option<Value>,
}

const ALL_PODS: &str = "it isolates every pod of its namespace and allows nothing";
const BOTH_DIRECTIONS: &str = "it isolates in both directions";
const NO_RULE: &str = "it isolates this direction and allows nothing in it";

/// Reads a policy. Never fails: see above.
pub(crate) fn read(meta: Meta, object: &Value, f: &mut Findings) -> NetworkPolicy {
    let name = meta.name;
    let root = FieldPath::Root;
    let at = root.key("spec");
    let (spec, _) = f.instead(ALL_PODS, |f| {
        let object: Object = f.decode(&root, object)?;
        f.decode_or_default::<Spec>(&at, object.spec.as_ref())
    });
    let Some(spec) = spec else {
        let (ingress, egress) = (Some(Vec::new()), Some(Vec::new()));
        return NetworkPolicy { name, selector: LabelSelector::default(), ingress, egress };
    };
    let (selector, _) = f.instead(ALL_PODS, |f| match &spec.pod_selector {
        None => Some(LabelSelector::default()),
        Some(value) => selector::read(&at.key("podSelector"), value, f),
    });
    let namespace = name.namespace.as_str();
    let context = rule::Context { direction: rule::Direction::Ingress, namespace };
    let ingress = rules(&at.key("ingress"), context, spec.ingress.as_ref(), f);
    let context = rule::Context { direction: rule::Direction::Egress, namespace };
    let egress = rules(&at.key("egress"), context, spec.egress.as_ref(), f);
    let egress_rules =
        spec.egress.as_ref().is_some_and(|v| !v.is_null() && v.as_array().is_none_or(|l| !l.is_empty()));
    let (isolates_ingress, isolates_egress) =
        directions(&at.key("policyTypes"), spec.policy_types, egress_rules, f);
    let ingress = isolates_ingress.then_some(ingress);
    let egress = isolates_egress.then_some(egress);
    match selector {
        Some(selector) => NetworkPolicy { name, selector, ingress, egress },
        None => NetworkPolicy {
            name,
            selector: LabelSelector::default(),
            ingress: ingress.map(|_| Vec::new()),
            egress: egress.map(|_| Vec::new()),
        },
    }
}

/// Which directions the policy isolates: ingress and egress.
fn directions(
    at: &FieldPath<'_>,
    types: Option<Value>,
    egress_rules: bool,
    f: &mut Findings,
) -> (bool, bool) {
    let (types, fine) = f.instead(BOTH_DIRECTIONS, |f| {
        let types = f.decode_or_default::<Vec<String>>(at, types.as_ref()).unwrap_or_default();
        if types.len() > 2 {
            f.add(at, "there are more than two: write Ingress, Egress or both");
        }
        for (i, kind) in types.iter().enumerate() {
            if !matches!(kind.as_str(), "Ingress" | "Egress") {
                f.add(&at.index(i), format!("{} is no policy type: write Ingress or Egress", quoted(kind)));
            }
        }
        types
    });
    match (fine, types.is_empty()) {
        (false, _) => (true, true),
        (true, true) => (true, egress_rules),
        (true, false) => (types.iter().any(|t| t == "Ingress"), types.iter().any(|t| t == "Egress")),
    }
}

fn rules(
    at: &FieldPath<'_>,
    context: rule::Context<'_>,
    list: Option<&Value>,
    f: &mut Findings,
) -> Vec<Rule> {
    let (list, _) = f.instead(NO_RULE, |f| f.decode_or_default::<Vec<Value>>(at, list).unwrap_or_default());
    list.iter().enumerate().map(|(i, value)| rule::read(&at.index(i), context, value, f)).collect()
}
