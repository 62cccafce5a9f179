//! Label selectors (meta/v1 LabelSelector).
use super::findings::{Findings, quoted};
use super::path::FieldPath;
use super::{meta, syntax};
use crate::model::{Expression, LabelSelector, Operator};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire {
    match_labels: Option<BTreeMap<String, Option<String>>>,
    match_expressions: Option<Vec<ExpressionWire>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExpressionWire {
    key: Option<String>,
    operator: Option<String>,
    values: Option<Vec<String>>,
}

/// Reads a selector; null is the empty one. `None`, with the reasons in `f`, if it is not valid: a selector that is
/// understood in part would select other objects than its author meant.
pub(crate) fn read(at: &FieldPath<'_>, value: &Value, f: &mut Findings) -> Option<LabelSelector> {
    let before = f.0.len();
    let wire: Wire = f.decode_or_default(at, Some(value))?;
    let match_labels = meta::labels(&at.key("matchLabels"), wire.match_labels.unwrap_or_default(), f);
    let list = at.key("matchExpressions");
    let expressions = wire.match_expressions.into_iter().flatten().enumerate();
    let expressions: Vec<_> = expressions.filter_map(|(i, e)| expression(&list.index(i), e, f)).collect();
    (f.0.len() == before).then_some(LabelSelector { match_labels, expressions })
}

fn expression(at: &FieldPath<'_>, wire: ExpressionWire, f: &mut Findings) -> Option<Expression> {
    let (key, values) = (wire.key.unwrap_or_default(), wire.values.unwrap_or_default());
    f.syntax(&at.key("key"), &key, syntax::label_key);
    let operator = match wire.operator.as_deref() {
        Some("In") => Operator::In,
        Some("NotIn") => Operator::NotIn,
        Some("Exists") => Operator::Exists,
        Some("DoesNotExist") => Operator::DoesNotExist,
        other => {
            let other = quoted(other.unwrap_or_default());
            f.add(
                &at.key("operator"),
                format!("{other} is no operator: write In, NotIn, Exists or DoesNotExist"),
            );
            return None;
        }
    };
    let list = at.key("values");
    match operator {
        Operator::In | Operator::NotIn if values.is_empty() => {
            f.add(&list, format!("{operator:?} needs at least one value"));
        }
        Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
            f.add(&list, format!("{operator:?} takes no values: remove them, or write In or NotIn"));
        }
        _ => {}
    }
    for (i, value) in values.iter().enumerate() {
        f.syntax(&list.index(i), value, syntax::label_value);
    }
    Some(Expression { key, operator, values })
}
