//! Sets of numbers under numbers of their own, so that equal sets are compared and hashed as one word.
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The empty set's number.
pub(super) const EMPTY: u32 = 0;

/// Interned sets. A number is not given again to another set.
#[derive(Debug)]
pub(super) struct Sets {
    by_id: HashMap<u32, Arc<[u32]>>,
    by_content: HashMap<Arc<[u32]>, u32>,
    next: u32,
}

impl Default for Sets {
    fn default() -> Self {
        let empty: Arc<[u32]> = Arc::from([]);
        Self {
            by_id: HashMap::from([(EMPTY, empty.clone())]),
            by_content: HashMap::from([(empty, EMPTY)]),
            next: EMPTY + 1,
        }
    }
}

impl Sets {
    /// The number of the set of these members, which need no order and may repeat.
    pub(super) fn intern(&mut self, mut members: Vec<u32>) -> u32 {
        members.sort_unstable();
        members.dedup();
        if let Some(id) = self.by_content.get(members.as_slice()) {
            return *id;
        }
        let content: Arc<[u32]> = members.into();
        let id = self.next;
        self.next += 1;
        self.by_id.insert(id, content.clone());
        self.by_content.insert(content, id);
        id
    }

    /// The members, ascending; none for a number that was forgotten.
    pub(super) fn get(&self, id: u32) -> &[u32] {
        self.by_id.get(&id).map_or(&[], |set| set)
    }

    /// The number of what two sets have in common.
    pub(super) fn intersection(&mut self, a: u32, b: u32) -> u32 {
        if a == b {
            return a;
        }
        let (a, b) = (self.get(a), self.get(b));
        let common = a.iter().copied().filter(|m| b.binary_search(m).is_ok()).collect();
        self.intern(common)
    }

    /// How many sets there are.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Forgets all but these and the empty set.
    pub(super) fn retain(&mut self, live: &HashSet<u32>) {
        self.by_id.retain(|id, _| *id == EMPTY || live.contains(id));
        self.by_content.retain(|_, id| *id == EMPTY || live.contains(id));
    }
}
