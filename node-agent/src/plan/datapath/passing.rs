//! Which class a place has between the flip of classes and the turn of policy.
use super::FIRST_PASSING;
use super::entries::Side;
use super::meaning::Meaning;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A place's meaning before and after.
pub(super) type Pair = (Meaning, Meaning);

/// The classes between.
#[derive(Debug, Default)]
pub(super) struct Passing {
    /// `None`: policy does not turn in this plan, so places flip straight to what they shall be.
    by_pair: Option<HashMap<Pair, u32>>,
    /// Classes of which old profiles shall say what they said of the first, and new ones what they say of the second.
    pub(super) between: BTreeMap<u32, Pair>,
}

impl Passing {
    pub(super) fn straight() -> Self {
        Self::default()
    }

    /// `pairs`: of every place whose meaning changes.
    pub(super) fn new(pairs: BTreeSet<Pair>, old: &Side<'_>, new: &Side<'_>) -> Self {
        let (mut before, mut after): (HashMap<Meaning, usize>, HashMap<Meaning, usize>) = Default::default();
        for (b, a) in &pairs {
            *before.entry(*b).or_default() += 1;
            *after.entry(*a).or_default() += 1;
        }
        let mut fresh = old.highest_class.max(FIRST_PASSING - 1);
        let mut out = Self { by_pair: Some(HashMap::new()), between: BTreeMap::new() };
        for pair in pairs {
            let class = match pair {
                // Only these places will ever have had this class, and nobody has it yet.
                (_, a @ Meaning::Class(class))
                    if class != 0 && after[&a] == 1 && !old.used.contains(&class) =>
                {
                    class
                }
                // All that have this class go there, and nobody else will have it.
                (b @ Meaning::Class(class), _)
                    if class != 0 && before[&b] == 1 && !new.used.contains(&class) =>
                {
                    class
                }
                _ => {
                    fresh += 1;
                    fresh
                }
            };
            out.between.insert(class, pair);
            if let Some(by_pair) = &mut out.by_pair {
                by_pair.insert(pair, class);
            }
        }
        out
    }

    /// The class to flip to; `None` if it is the one to have at last (or none, for a Service's key).
    pub(super) fn of(&self, pair: Pair) -> Option<u32> {
        let by_pair = self.by_pair.as_ref()?;
        by_pair.get(&pair).copied().filter(|class| pair.1 != Meaning::Class(*class))
    }

    /// Classes that places flip away from before policy turns.
    pub(super) fn left(&self) -> impl Iterator<Item = u32> {
        self.between.iter().filter_map(|(class, (before, _))| match before {
            Meaning::Class(old) if old != class => Some(*old),
            _ => None,
        })
    }

    /// Whether a Service's key appears: who did not find it may still be about to ask about the address itself.
    pub(super) fn keys_appear(&self) -> bool {
        self.between.values().any(|(before, _)| matches!(before, Meaning::Port { .. }))
    }
}
