//! What differs between two maps of a snapshot. Values that are shared are not looked into.
use std::collections::BTreeMap;
use std::sync::Arc;

/// One key whose value appeared, changed or went.
#[derive(Debug)]
pub(super) struct Change<K, V> {
    pub(super) key: K,
    pub(super) old: Option<Arc<V>>,
    pub(super) new: Option<Arc<V>>,
}

type Map<K, V> = Arc<BTreeMap<K, Arc<V>>>;

/// Walks both maps in order; nothing if they are the same map.
pub(super) fn changes<K: Ord + Clone, V: PartialEq>(old: &Map<K, V>, new: &Map<K, V>) -> Vec<Change<K, V>> {
    let mut found = Vec::new();
    if Arc::ptr_eq(old, new) {
        return found;
    }
    let (mut before, mut after) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (before.peek(), after.peek()) {
            (None, None) => return found,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let left = if order.is_le() { before.next() } else { None };
        let right = if order.is_ge() { after.next() } else { None };
        if let (Some((_, a)), Some((_, b))) = (left, right)
            && (Arc::ptr_eq(a, b) || a == b)
        {
            continue;
        }
        if let Some(key) = left.or(right).map(|(key, _)| key.clone()) {
            found.push(Change { key, old: left.map(|(_, v)| v.clone()), new: right.map(|(_, v)| v.clone()) });
        }
    }
}
