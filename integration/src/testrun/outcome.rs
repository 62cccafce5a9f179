//! What a run had for a result.
use ringfence_abi::{Counter, Mark, Origin, Reason, reason::COUNTERS_LEN};
use std::collections::BTreeMap;
use std::fmt;

/// What is counted only of packets that do not go the short way.
const LENGTH: [&str; 2] = [Counter::FromPod.name(), Counter::ToPod.name()];

/// What a program said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// `TC_ACT_UNSPEC`.
    Pass,
    /// `TC_ACT_SHOT`.
    Drop,
    /// Anything else, which no program of ours says.
    Other(u32),
}

/// Verdict, mark and what was counted.
#[derive(Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// `skb->mark` afterwards.
    pub mark: u32,
    /// Every counter that moved, by its stable name, and by how much.
    pub counted: BTreeMap<&'static str, u64>,
}

impl Outcome {
    pub(super) fn new(returned: u32, mark: u32, before: &[u64], after: &[u64]) -> Self {
        let verdict = match returned {
            0xffff_ffff => Verdict::Pass,
            2 => Verdict::Drop,
            other => Verdict::Other(other),
        };
        let counted = (0..COUNTERS_LEN)
            .zip(before.iter().zip(after))
            .filter(|(_, (before, after))| before != after)
            .map(|(index, (before, after))| (name(index), after.wrapping_sub(*before)))
            .collect();
        Self { verdict, mark, counted }
    }

    /// Our bits of the mark, at their default place.
    pub fn bits(&self) -> Mark {
        Mark::read(self.mark, Mark::SHIFT_DEFAULT)
    }

    /// Whether the packet passed with this mark and exactly these counters, each by one; whether it was examined at length
    /// or went the short way does not matter.
    pub fn passed(&self, mark: Mark, counters: &[Counter]) -> bool {
        let wanted = counters.iter().map(|counter| (counter.name(), 1));
        let wanted = wanted.filter(|(name, _)| !LENGTH.contains(name)).collect::<BTreeMap<_, _>>();
        let mut counted = self.counted.clone();
        counted.retain(|name, n| !(LENGTH.contains(name) && *n == 1));
        self.verdict == Verdict::Pass && self.bits() == mark && counted == wanted
    }

    /// Whether the packet passed by the short way of a pod's hooks.
    pub fn passed_shortly(&self) -> bool {
        self.verdict == Verdict::Pass && LENGTH.iter().all(|name| !self.counted.contains_key(name))
    }

    /// Whether the packet passed and this was counted once, whatever else was.
    pub fn passed_by(&self, counter: Counter) -> bool {
        self.verdict == Verdict::Pass && self.counted.get(counter.name()) == Some(&1)
    }

    /// Whether the packet was dropped for this reason, and beside it exactly these counters moved, each by one.
    pub fn dropped(&self, reason: Reason, counters: &[Counter]) -> bool {
        let counted = counters.iter().map(|counter| (counter.name(), 1));
        let counted = counted.chain([(reason.name(), 1)]).collect::<BTreeMap<_, _>>();
        self.verdict == Verdict::Drop && self.counted == counted
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.bits();
        let origin: Origin = bits.origin();
        write!(f, "{:?}, mark {:#x} (from {origin:?}", self.verdict, self.mark)?;
        for (judged, what) in
            [(bits.egress_judged(), ", egress judged"), (bits.ingress_judged(), ", ingress judged")]
        {
            if judged {
                write!(f, "{what}")?;
            }
        }
        write!(f, "), counted {:?}", self.counted)
    }
}

fn name(index: u32) -> &'static str {
    let reason = Reason::ALL.iter().find(|(reason, _)| *reason as u32 == index).map(|(_, name)| *name);
    let counter = || Counter::ALL.iter().find(|(counter, _)| *counter as u32 == index).map(|(_, name)| *name);
    reason.or_else(counter).unwrap_or("no counter of that index")
}
