//! What enforcement costs an encrypted stream: the fifth line of the design's costs.

use std::path::Path;

use anyhow::Result;

use super::Effort;
use super::labs::Lab;
use super::measure::Spread;
use super::report::{Must, Section};

/// Seconds of one stream.
const SECONDS: u64 = 2;

/// Runs the bench.
///
/// # Errors
/// When a lab does not come up, or is not what it must be.
pub(crate) fn run(effort: Effort, binary: &Path) -> Result<Section> {
    let (times, turns) = effort.of((1, 4), (3, 10));
    let (mut bare, mut enforced, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for time in 0..times {
        // Which comes up first may tell.
        let names = if time % 2 == 0 { ["bench-bare", "bench-ours"] } else { ["bench-ours", "bench-bare"] };
        let labs = [Lab::up(binary, names[0])?, Lab::up(binary, names[1])?];
        let (plain, ours) = if time % 2 == 0 { (&labs[0], &labs[1]) } else { (&labs[1], &labs[0]) };
        plain.disarm()?;
        plain.expect_reachable(true)?;
        ours.expect_reachable(false)?;
        let _sinks = [plain.sink()?, ours.sink()?];
        for turn in 0..turns {
            println!("  stream {} of {}", time * turns + turn + 1, times * turns);
            let order = if turn % 2 == 0 { [plain, ours] } else { [ours, plain] };
            let speeds = [order[0].stream(SECONDS)?, order[1].stream(SECONDS)?];
            let (without, with) = if turn % 2 == 0 { (speeds[0], speeds[1]) } else { (speeds[1], speeds[0]) };
            bare.push(without);
            enforced.push(with);
            ratios.push(with / without);
        }
    }
    let mut section = Section {
        title: "Encrypted throughput",
        how: format!(
            "A TCP stream from a pod to a pod of another node, {SECONDS} s at a time, in two equal labs in turns: one enforces \
             policy on both pods, in both directions; in the other the agents were stopped and their programs taken off, so \
             that mesh and routes alone remain. WireGuard is the embedded userspace one, for this kernel's own cannot be \
             timed here if it is emulated; sender, receiver and both ends' encryption share the cores."
        ),
        columns: vec!["what", "Mbit/s", "middle half"],
        ..Section::default()
    };
    for (name, speeds) in [("bare WireGuard", bare), ("with enforcement", enforced)] {
        let Spread { low, median, high } = Spread::of(speeds);
        section.row([name.into(), mega(median), format!("{} to {}", mega(low), mega(high))]);
    }
    let Spread { low, median, high } = Spread::of(ratios);
    section.row([
        "of each pair: with / without".into(),
        format!("{median:.3}"),
        format!("{low:.3} to {high:.3}"),
    ]);
    section.musts.push(Must {
        what: "encrypted throughput with enforcement, against bare WireGuard".into(),
        must: "at least 0.98 x".into(),
        measured: format!("{median:.3} x"),
        kept: median >= 0.98,
    });
    Ok(section)
}

fn mega(bits: f64) -> String {
    format!("{:.0}", bits / 1e6)
}
