//! Label selectors, with the mistakes that can be planted into their reading.
use super::mistake::{Mistake, Seeded};
use crate::model::{LabelSelector, Labels, Operator};

/// Whether `labels` satisfy the selector.
pub(super) fn selects(selector: &LabelSelector, labels: &Labels, seeded: Seeded) -> bool {
    let needs_key = |operator: Operator| operator == Operator::NotIn && seeded.makes(Mistake::NotInNeedsKey);
    if selector.expressions.iter().any(|e| needs_key(e.operator) && !labels.contains_key(&e.key)) {
        return false;
    }
    if seeded.makes(Mistake::DoesNotExistNeedsLabels)
        && labels.is_empty()
        && selector.expressions.iter().any(|e| e.operator == Operator::DoesNotExist)
    {
        return false;
    }
    if seeded.makes(Mistake::EmptyValueMatchesAbsent)
        && selector.match_labels.iter().any(|(k, v)| v.is_empty() && !labels.contains_key(k))
    {
        let mut rest = selector.clone();
        rest.match_labels.retain(|k, v| !v.is_empty() || labels.contains_key(k));
        return rest.matches(labels);
    }
    selector.matches(labels)
}
