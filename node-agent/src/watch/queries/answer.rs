//! Answers: the query's line with the verdict, and what decided it.
use super::Query;
use crate::model::ObjectName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Allowed or not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The connection opens.
    Allow,
    /// It does not: its first packet is dropped, or nothing answers.
    Deny,
}

impl Verdict {
    /// From whether it is allowed.
    pub fn from_allowed(allowed: bool) -> Self {
        if allowed { Self::Allow } else { Self::Deny }
    }
}

/// A policy that decided.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Decider {
    /// `NetworkPolicy`, for now.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which of its rules of that direction allowed it, from 0. Absent: it isolates, and none of its rules matches.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<usize>,
}

impl Decider {
    /// A NetworkPolicy, with the rule that allowed.
    pub fn network_policy(name: &ObjectName, rule: Option<usize>) -> Self {
        let ObjectName { namespace, name } = name.clone();
        Self { kind: "NetworkPolicy".to_owned(), namespace, name, rule }
    }
}

/// What was said of one direction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Direction {
    /// This direction's.
    pub verdict: Verdict,
    /// Who decided: those that allow it, or those that isolate without allowing it. Empty if nobody isolates.
    pub policies: Vec<Decider>,
}

impl Direction {
    /// Nobody isolates in this direction.
    pub fn open() -> Self {
        Self { verdict: Verdict::Allow, policies: Vec::new() }
    }
}

/// The answer to a query.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Both directions', and whether anybody is there to answer.
    pub verdict: Verdict,
    /// The source's egress; absent where an engine cannot tell (real packets).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub egress: Option<Direction>,
    /// The destination's ingress.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ingress: Option<Direction>,
    /// What else there is to say, in words: no backend, masqueraded, ...
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

impl Query {
    /// The line answered: its own fields, and the answer's beside them.
    pub fn answered(&self, answer: &Answer) -> Value {
        let mut fields = self.fields.clone();
        if let Ok(Value::Object(answer)) = serde_json::to_value(answer) {
            fields.extend(answer);
        }
        Value::Object(fields)
    }

    /// What the line says should come out (`expect`), if it does.
    pub fn expected(&self) -> Option<Verdict> {
        serde_json::from_value(self.fields.get("expect")?.clone()).ok()
    }
}
