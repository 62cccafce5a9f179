//! The ways between the states of a world.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::model::Checked;

/// From state to state, by their hashes.
pub type Ways = Vec<(u64, u64)>;

pub fn print(checked: &Checked) -> u64 {
    let mut hasher = DefaultHasher::new();
    checked.hash(&mut hasher);
    hasher.finish()
}

/// Whether no way leads back to where it began. Only then does "every end is a good one" say that every way, whatever
/// it takes, comes to a good end.
pub fn leads_on(ways: &mut Ways) -> bool {
    ways.sort_unstable();
    ways.dedup();
    let mut arriving: HashMap<u64, u32> = HashMap::new();
    for (from, to) in &*ways {
        arriving.entry(*from).or_default();
        *arriving.entry(*to).or_default() += 1;
    }
    let mut free: Vec<u64> =
        arriving.iter().filter(|(_, count)| **count == 0).map(|(state, _)| *state).collect();
    let mut left = arriving.len();
    while let Some(state) = free.pop() {
        left -= 1;
        let first = ways.partition_point(|(from, _)| *from < state);
        for (_, to) in ways[first..].iter().take_while(|(from, _)| *from == state) {
            if let Some(count) = arriving.get_mut(to) {
                *count -= 1;
                if *count == 0 {
                    free.push(*to);
                }
            }
        }
    }
    left == 0
}
