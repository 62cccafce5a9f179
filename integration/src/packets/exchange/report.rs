//! Everything there is to say of a packet that became of otherwise than the oracle says.
use super::compare::Wrong;
use crate::evaluator::Generated;
use crate::packets::oracle::{Oracle, Record};
use crate::packets::reading::Reading;
use crate::packets::scenario::Draft;
use anyhow::Result;
use std::fmt::Write;

/// A packet that became of otherwise than the oracle says.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// Makes it again.
    pub seed: u64,
    /// Which packet of the seed, from 0.
    pub packet: usize,
    /// Everything there is to say.
    pub report: String,
}

/// In full: the packet, its journey, what was sent before between its ends, the cluster.
pub(super) fn report(
    seed: u64,
    number: usize,
    generated: &Generated,
    draft: &Draft,
    oracle: &Oracle,
    wrong: &Wrong,
) -> Result<String> {
    let mut text = format!(
        "seed {seed}, packet {number}: {}\n  the oracle: {:?} by the rule \"{}\"\n  sent by {:?}: ethertype {:#06x} {}\n",
        wrong.what,
        wrong.expected.verdict,
        wrong.expected.rule,
        draft.sender,
        draft.ethertype,
        draft.packet.iter().map(|b| format!("{b:02x}")).collect::<String>(),
    );
    writeln!(text, "  read as {:?}", Reading::of(draft.ethertype, &draft.packet))?;
    writeln!(text, "{}", wrong.journey)?;
    let flow =
        Reading::of(draft.ethertype, &draft.packet).and_then(|r| r.quoted.map(|q| q.flow).or(r.flow()));
    let near = |record: &&Record| {
        let flows = [Some(record.sent), record.arrived.as_ref().map(|(_, flow)| *flow)];
        flow.is_some_and(|f| flows.contains(&Some(f)) || flows.contains(&Some(f.reversed())))
    };
    let before: Vec<_> = oracle.history().records().iter().filter(near).collect();
    for record in &before[before.len().saturating_sub(8)..] {
        writeln!(text, "  before: {record:?}")?;
    }
    writeln!(text, "cluster:\n{}", generated.yaml()?)?;
    Ok(text)
}
