//! The distinct peer matchers of the policies that select a local pod.
use crate::model::{IpBlock, LabelSelector, NamespaceMatch};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// What a peer of a rule asks of the other end.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Matcher {
    /// A pod by its namespace and labels.
    Pods(NamespaceMatch, LabelSelector),
    /// An address, whoever has it.
    Block(IpBlock),
}

/// Matchers by number, counted by the rules that use them. A number is never given again.
#[derive(Debug)]
pub(super) struct Matchers {
    by_key: HashMap<Arc<Matcher>, u32>,
    by_id: BTreeMap<u32, (Arc<Matcher>, usize)>,
    added: Vec<u32>,
    dropped: Vec<u32>,
    next: u32,
}

impl Default for Matchers {
    fn default() -> Self {
        Self {
            by_key: HashMap::new(),
            by_id: BTreeMap::new(),
            added: Vec::new(),
            dropped: Vec::new(),
            next: 1,
        }
    }
}

/// What came and went since the last time.
#[derive(Debug, Default)]
pub(super) struct MatcherChanges {
    pub(super) added: Vec<(u32, Arc<Matcher>)>,
    pub(super) removed: Vec<(u32, Arc<Matcher>)>,
}

impl MatcherChanges {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }

    /// Whether any of them is an ipBlock.
    pub(super) fn touch_blocks(&self) -> bool {
        self.added.iter().chain(&self.removed).any(|(_, m)| matches!(**m, Matcher::Block(_)))
    }
}

impl Matchers {
    /// The matcher's number; one more rule uses it.
    pub(super) fn acquire(&mut self, matcher: Matcher) -> u32 {
        if let Some(id) = self.by_key.get(&matcher).copied() {
            if let Some((_, users)) = self.by_id.get_mut(&id) {
                *users += 1;
            }
            return id;
        }
        let (id, matcher) = (self.next, Arc::new(matcher));
        self.next += 1;
        self.by_key.insert(matcher.clone(), id);
        self.by_id.insert(id, (matcher, 1));
        self.added.push(id);
        id
    }

    /// One rule less uses it.
    pub(super) fn release(&mut self, id: u32) {
        if let Some((_, users)) = self.by_id.get_mut(&id) {
            *users -= 1;
            if *users == 0 {
                self.dropped.push(id);
            }
        }
    }

    /// What has come into use and what is no longer used since this was last asked.
    pub(super) fn settle(&mut self) -> MatcherChanges {
        let mut changes = MatcherChanges::default();
        let mut dropped = std::mem::take(&mut self.dropped);
        dropped.sort_unstable();
        dropped.dedup();
        let added = std::mem::take(&mut self.added);
        let unseen: HashSet<u32> = added.iter().copied().collect();
        for id in dropped {
            if self.by_id.get(&id).is_some_and(|(_, users)| *users == 0)
                && let Some((matcher, _)) = self.by_id.remove(&id)
            {
                self.by_key.remove(&matcher);
                if !unseen.contains(&id) {
                    changes.removed.push((id, matcher));
                }
            }
        }
        changes.added =
            added.into_iter().filter_map(|id| Some((id, self.by_id.get(&id)?.0.clone()))).collect();
        changes
    }

    /// Every matcher in use, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Arc<Matcher>)> {
        self.by_id.iter().map(|(id, (matcher, _))| (*id, matcher))
    }
}
