//! What came of comparing.
use ringfence::testrun::End;
use std::collections::BTreeMap;

/// What came of comparing.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By rule: must arrive, must not, not laid down; and of those that must arrive, how many the network lost.
    pub rules: BTreeMap<&'static str, [usize; 4]>,
    /// Where packets ended, by what dropped or got them.
    pub ends: BTreeMap<String, usize>,
    /// Hooks that ran.
    pub hooks: usize,
}

impl Tally {
    /// Packets of which something was laid down, and that the network did not lose.
    pub fn compared(&self) -> usize {
        self.rules.values().map(|[yes, no, _, lost]| yes + no - lost).sum()
    }

    /// Every packet.
    pub fn sent(&self) -> usize {
        self.rules.values().map(|[yes, no, maybe, _]| yes + no + maybe).sum()
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        for (rule, counts) in &other.rules {
            let mine = self.rules.entry(rule).or_default();
            (0..4).for_each(|i| mine[i] += counts[i]);
        }
        other.ends.iter().for_each(|(end, n)| *self.ends.entry(end.clone()).or_default() += n);
        self.hooks += other.hooks;
    }
}

/// An end as a line of the tally.
pub(super) fn end_name(end: &End) -> String {
    match end {
        End::Dropped { hook, reason, .. } => format!("{hook}: {}", reason.name()),
        End::Pod(_) => "a pod".to_owned(),
        End::Node(_) => "a node".to_owned(),
        End::Outside(_) => "outside".to_owned(),
        End::Link(_) => "the link".to_owned(),
        End::Lost(loss) => format!("lost: {loss:?}"),
    }
}
