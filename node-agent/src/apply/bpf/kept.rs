//! What flows that are kept ask of tables that begin anew beside them.
use super::maps::typed;
use super::{DatapathError, Maps};
use aya::maps::{Array, MapData};
use nix::time::{ClockId, clock_gettime};
use ringfence_abi::{Config, Hint, names};
use std::collections::BTreeSet;
use std::path::Path;

/// Prepares the tables in `dir` that are not among `shared` for the flows, if those are.
///
/// # Errors
/// [`DatapathError::Map`].
pub(super) fn fit_flows(
    dir: &Path,
    maps: &mut Maps,
    shared: &BTreeSet<&'static str>,
) -> Result<(), DatapathError> {
    if !shared.contains(names::FLOWS) {
        return Ok(());
    }
    if !shared.contains(names::HINTS) {
        // Else no pod would have anything to reply to, and replies that NAT rewrites further on are known only where
        // they enter. Too much is only looked for in vain.
        let mut hints: Array<MapData, Hint> = typed(dir, names::HINTS)?;
        let any = Hint { replies: 1, ..Hint::default() };
        (0..Hint::LEN)
            .try_for_each(|index| hints.set(index, &any, 0))
            .map_err(DatapathError::map("fill", names::HINTS))?;
    }
    if !shared.contains(names::CONFIG) {
        // Counted from 0 again, it would come to numbers that flows bear, and those would not ask policy again.
        maps.set_config(&Config { generation: never_used(), ..Config::default() })?;
    }
    Ok(())
}

/// A policy generation that no flow bears: milliseconds of `CLOCK_MONOTONIC`, of which flows survive no more than it does.
/// Each generation took a grace period, so of those before there were fewer than milliseconds.
fn never_used() -> u32 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC);
    // Wraps after 49 days, to numbers that are as old.
    now.map_or(0, |now| (now.tv_sec() * 1000 + now.tv_nsec() / 1_000_000) as u32)
}
