//! Label selectors (`meta/v1 LabelSelector`).
use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Whether the selector matches the labels. `selector` is the API's object; `null` and `{}` match everything.
///
/// `matchLabels` and every expression must hold. `In` and `Exists` need the key; `NotIn` and `DoesNotExist` are
/// satisfied when it is absent. Fails on an unknown operator or a malformed field.
pub fn matches(selector: &Value, labels: &BTreeMap<String, String>) -> Result<bool> {
    if let Some(wanted) = selector.get("matchLabels").and_then(Value::as_object) {
        for (key, value) in wanted {
            let value = value.as_str().with_context(|| format!("matchLabels.{key} is no string"))?;
            if labels.get(key).map(String::as_str) != Some(value) {
                return Ok(false);
            }
        }
    }
    if let Some(expressions) = selector.get("matchExpressions").and_then(Value::as_array) {
        for expression in expressions {
            if !expression_holds(expression, labels)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn expression_holds(expression: &Value, labels: &BTreeMap<String, String>) -> Result<bool> {
    let key = expression.get("key").and_then(Value::as_str).context("an expression has no key")?;
    let values: Vec<&str> = match expression.get("values").and_then(Value::as_array) {
        Some(list) => list.iter().filter_map(Value::as_str).collect(),
        None => Vec::new(),
    };
    let present = labels.get(key);
    let listed = present.is_some_and(|value| values.contains(&value.as_str()));
    match expression.get("operator").and_then(Value::as_str) {
        Some("In") => Ok(listed),
        Some("NotIn") => Ok(!listed),
        Some("Exists") => Ok(present.is_some()),
        Some("DoesNotExist") => Ok(present.is_none()),
        other => bail!("the expression on {key:?} has the unknown operator {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(selector: Value, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        matches(&selector, &labels).unwrap()
    }

    #[test]
    fn null_and_empty_match_everything() {
        assert!(holds(Value::Null, &[]) && holds(json!({}), &[("a", "b")]));
        assert!(holds(json!({"matchLabels": null, "matchExpressions": []}), &[]));
    }

    #[test]
    fn not_in_and_does_not_exist_match_an_absent_key() {
        assert!(holds(
            json!({"matchExpressions": [{"key": "k", "operator": "NotIn", "values": ["1"]}]}),
            &[]
        ));
        assert!(holds(json!({"matchExpressions": [{"key": "k", "operator": "DoesNotExist"}]}), &[]));
        assert!(!holds(json!({"matchExpressions": [{"key": "k", "operator": "In", "values": [""]}]}), &[]));
    }

    #[test]
    fn an_empty_value_is_a_value() {
        assert!(!holds(json!({"matchLabels": {"k": ""}}), &[]));
        assert!(holds(json!({"matchLabels": {"k": ""}}), &[("k", "")]));
        assert!(!holds(
            json!({"matchExpressions": [{"key": "k", "operator": "DoesNotExist"}]}),
            &[("k", "")]
        ));
    }

    #[test]
    fn an_unknown_operator_is_an_error() {
        let selector = json!({"matchExpressions": [{"key": "k", "operator": "Gt", "values": ["1"]}]});
        assert!(matches(&selector, &BTreeMap::new()).is_err());
    }
}
