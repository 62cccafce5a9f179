//! Peer classes: sets of matchers under numbers that are never given again.
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// What a class is the set of: three numbers of sets. Pods: matchers by labels. Blocks: matchers by address. Features:
/// what the pod's named ports resolve to, where an egress rule asks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct ClassKey {
    pub(super) pods: u32,
    pub(super) blocks: u32,
    pub(super) features: u32,
}

/// A backend that no later hook of this node judges: its class, its port (host order), its protocol's number.
pub(super) type Member = (u32, u16, u8);

/// Numbers for things in use, counted by their users.
#[derive(Debug)]
pub(super) struct Numbered<K> {
    by_key: HashMap<K, u32>,
    by_id: HashMap<u32, (K, usize)>,
    fresh: Vec<u32>,
    idle: Vec<u32>,
}

impl<K> Default for Numbered<K> {
    fn default() -> Self {
        Self { by_key: HashMap::new(), by_id: HashMap::new(), fresh: Vec::new(), idle: Vec::new() }
    }
}

/// What came into use and what went out of it.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) fresh: Vec<u32>,
    pub(super) gone: Vec<u32>,
}

impl<K: Clone + Eq + Hash> Numbered<K> {
    /// The number of `key`, with one user more; `next` is counted up if it needs one.
    pub(super) fn acquire(&mut self, key: &K, next: &mut u32) -> u32 {
        if let Some(id) = self.by_key.get(key).copied() {
            if let Some((_, users)) = self.by_id.get_mut(&id) {
                *users += 1;
            }
            return id;
        }
        let id = *next;
        *next += 1;
        self.by_key.insert(key.clone(), id);
        self.by_id.insert(id, (key.clone(), 1));
        self.fresh.push(id);
        id
    }

    /// One user less.
    pub(super) fn release(&mut self, id: u32) {
        if let Some((_, users)) = self.by_id.get_mut(&id) {
            *users = users.saturating_sub(1);
            if *users == 0 {
                self.idle.push(id);
            }
        }
    }

    pub(super) fn get(&self, id: u32) -> Option<&K> {
        self.by_id.get(&id).map(|(key, _)| key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &K)> {
        self.by_id.iter().map(|(id, (key, _))| (*id, key))
    }

    /// Forgets what has no user; says what is new and what is gone since this was last asked.
    pub(super) fn settle(&mut self) -> Settled {
        let mut settled = Settled::default();
        let mut fresh = std::mem::take(&mut self.fresh);
        let unseen: HashSet<u32> = fresh.iter().copied().collect();
        for id in std::mem::take(&mut self.idle) {
            if self.by_id.get(&id).is_some_and(|(_, users)| *users == 0)
                && let Some((key, _)) = self.by_id.remove(&id)
            {
                self.by_key.remove(&key);
                if !unseen.contains(&id) {
                    settled.gone.push(id);
                }
            }
        }
        fresh.retain(|id| self.by_id.contains_key(id));
        settled.fresh = fresh;
        settled
    }
}
