//! Labels and label selectors (meta/v1 LabelSelector).
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `metadata.labels`.
pub type Labels = BTreeMap<String, String>;

/// A label selector; its requirements all have to hold. Without any it selects everything.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct LabelSelector {
    /// `matchLabels`: the key must be there with exactly this value (which may be empty).
    pub match_labels: BTreeMap<String, String>,
    /// `matchExpressions`.
    pub expressions: Vec<Expression>,
}

/// One requirement of a selector.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Expression {
    /// Label key.
    pub key: String,
    /// How it is compared.
    pub operator: Operator,
    /// For `In` and `NotIn`, not empty; for the others empty.
    pub values: Vec<String>,
}

/// `operator` of a requirement.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Operator {
    /// The key is there, with one of the values.
    In,
    /// The key is absent, or has none of the values.
    NotIn,
    /// The key is there.
    Exists,
    /// The key is absent.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether `labels` satisfy every requirement.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.match_labels.iter().all(|(k, v)| labels.get(k) == Some(v))
            && self.expressions.iter().all(|e| e.matches(labels))
    }
}

impl Expression {
    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|v| self.values.contains(v)),
            Operator::NotIn => value.is_none_or(|v| !self.values.contains(v)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}
